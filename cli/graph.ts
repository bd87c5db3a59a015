import type { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { type Dag, FailurePolicy, type Node } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { durationText } from "./times.ts";

/** A workflow, or a run of it, to be drawn. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly GraphNode[];
}

export interface GraphNode {
  readonly id: string;
  readonly handler: string;
  readonly dependencies: readonly string[];
  /** What is special about it: `when input.x > 1`, `for each`, `retry 5`. */
  readonly marks: readonly string[];
  /** Where its task stands; undefined when no run is drawn. */
  readonly state: TaskState | undefined;
}

/** The graph of a definition; with states, of a run of it. */
export function graphOf(
  { name, dag }: { readonly name: string; readonly dag?: Dag | undefined },
  states: ReadonlyMap<string, TaskState> = new Map(),
): Graph {
  const onFailure = dag?.onFailure ?? "";
  const nodes = (dag?.nodes ?? []).map((node) => ({
    id: node.id,
    handler: node.handler,
    dependencies: node.dependencies,
    marks: [...nodeMarks(node), ...(node.id === onFailure ? ["when the run fails"] : [])],
    state: states.get(node.id),
  }));
  return { name, nodes };
}

/** A node's policies in words, a phrase each. */
export function nodeMarks({
  when,
  forEach,
  retry,
  timeout,
  queueTimeout,
  onFailure,
  queue,
  labels,
  priority,
}: Node): string[] {
  return [
    ...(when === "" ? [] : [`when ${when}`]),
    ...(forEach === undefined
      ? []
      : [forEach.maxParallel === 0 ? "for each" : `for each, ${forEach.maxParallel} at once`]),
    ...(retry === undefined ? [] : [`retry ${retry.maxAttempts || 3}`]),
    ...(timeout === undefined ? [] : [`timeout ${durationText(timeout)}`]),
    ...(queueTimeout === undefined ? [] : [`queue timeout ${durationText(queueTimeout)}`]),
    ...(onFailure === FailurePolicy.CONTINUE ? ["continues on failure"] : []),
    ...(onFailure === FailurePolicy.SKIP_DEPENDENTS ? ["skips dependents on failure"] : []),
    ...(queue === "" ? [] : [`queue ${queue}`]),
    ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
    ...(priority === 0 ? [] : [`priority ${priority}`]),
  ];
}
