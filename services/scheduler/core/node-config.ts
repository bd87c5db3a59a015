import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { Run, Task } from "./run.ts";
import { resolve } from "./template.ts";

/** The config of a task with its templates replaced, or what is wrong with one of them. */
export function configOf(run: Run, task: Task): { readonly value: JsonObject } | { readonly fault: string } {
  const node = run.plan.nodes[task.node];
  if (node === undefined) throw new Error(`run ${run.runId} has no node ${task.node}`);
  const resolved = resolve(node.config, (name, nodeId) => valueOf(run, name, nodeId));
  if ("fault" in resolved) return resolved;
  return { value: isJsonObject(resolved.value) ? resolved.value : {} };
}

function valueOf(run: Run, name: string, nodeId: string): Json | undefined {
  if (name === "input") return run.input;
  if (name === "run") return { id: run.runId, name: run.plan.definition.name };
  if (name !== "nodes") return run.tasks[run.plan.indexOf.get(name) ?? -1]?.output;
  const task = run.tasks[run.plan.indexOf.get(nodeId) ?? -1];
  if (task === undefined) return undefined;
  const { state, failure } = task;
  return { status: state, error: failure ? { reason: failure.reason, message: failure.message } : null };
}
