import { answersOf } from "./answers.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { type Run, type Task, taskOf } from "./run.ts";
import { isFinalTask } from "./task-state.ts";
import { resolve, type Scope } from "./template.ts";

/** The config of a task with its templates replaced, or what is wrong with one of them. */
export function configOf(run: Run, task: Task): { readonly value: JsonObject } | { readonly fault: string } {
  const node = run.plan.nodes[task.node];
  if (node === undefined) throw new Error(`run ${run.runId} has no node ${task.node}`);
  if (node.config.kind === "constant") {
    return { value: isJsonObject(node.config.value) ? node.config.value : {} };
  }
  const resolved = resolve(node.config, scopeOf(run, task));
  if ("fault" in resolved) return resolved;
  return { value: isJsonObject(resolved.value) ? resolved.value : {} };
}

/** What the templates and the condition of a task see. */
export function scopeOf(run: Run, task: Task): Scope {
  return (name, nodeId) => {
    if (name === "input") return run.input;
    if (name === "run") return runValue(run, task);
    if (name === "item") return task.item?.value;
    return name === "nodes" ? nodeValue(taskOf(run, nodeId)) : taskOf(run, name)?.output;
  };
}

function runValue(run: Run, task: Task): Json {
  const failure = run.plan.onFailure === task.node ? run.failure : undefined;
  return {
    id: run.runId,
    name: run.plan.definition.name,
    labels: run.labels,
    created_at: run.createdAt.toISOString(),
    ...(run.scheduledAt !== undefined && { scheduled_at: run.scheduledAt }),
    ...(task.item !== undefined && { item_index: task.item.index }),
    ...(failure !== undefined && {
      failure: { reason: failure.reason, message: failure.message, node: failure.nodeId },
    }),
  };
}

/** What tasks that have ended are to templates: made once, however many nodes name them. */
const endedValues = new WeakMap<Task, Json>();

function nodeValue(task: Task | undefined): Json | undefined {
  if (task === undefined) return undefined;
  const made = endedValues.get(task);
  if (made !== undefined) return made;
  const { state, failure, attempt } = task;
  const value = {
    status: state,
    error: failure ? { reason: failure.reason, message: failure.message } : null,
    attempt,
    io: answersOf(task),
  };
  if (isFinalTask(state)) endedValues.set(task, value);
  return value;
}
