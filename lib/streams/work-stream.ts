/*
 * workflow:tasks[:queue:<queue>][:labels:<name>=<value>,…][:program|:calls]   STREAM, one group
 *
 * Work that every reader of the stream may and can carry out: one stream per
 * queue, labels that are asked for, and kind of handler. Written by the owners of runs, after
 * the commit that made the task ready; taken by workers as a group, and deleted
 * as it is taken. A repeat is harmless: the lease of the attempt goes to the
 * first worker, and another is told to stop.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Assignment, AssignmentSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";

/** The stream of the handlers that Antiphon's own workers bring; seed 003's `WORKER_STREAM`. */
export const defaultWorkStream = "workflow:tasks";

/** The group that takes from it; seed 003's `WORKER_GROUP`. */
export const defaultWorkGroup = "workflow_group";

export const encodeAssignment = (assignment: Assignment): Uint8Array =>
  toBinary(AssignmentSchema, assignment);

/** Throws when the bytes are not an assignment. */
export const decodeAssignment = (body: Uint8Array): Assignment => fromBinary(AssignmentSchema, body);

/** The streams of handlers whose tasks take their time, so that those which wait for a slot of their kind hold up nothing else. */
const ownStreams: ReadonlyMap<string, string> = new Map([
  ["program", "program"],
  ["call_external_service", "calls"],
  ["llm", "calls"],
  ["unreliable_handler", "calls"],
]);

/** What a task asks of the workers that may take it, and the name that all work streams begin with. */
export interface WorkDemands {
  readonly stream?: string;
  /** Empty for the default queue. */
  readonly queue?: string;
  /** What a worker must have, all of it. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** The stream of a handler's tasks that ask the same of their workers. */
export function workStreamOf(
  handler: string,
  { stream = defaultWorkStream, queue = "", labels = {} }: WorkDemands = {},
): string {
  const own = ownStreams.get(handler);
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [
    stream,
    ...(queue === "" ? [] : [`queue:${queue}`]),
    ...(pairs.length === 0 ? [] : [`labels:${pairs.sort().join(",")}`]),
    ...(own === undefined ? [] : [own]),
  ].join(":");
}

/** Everything that tasks may ask for and a worker with these queues and labels can take, what asks for most first: each queue with each part of its labels. */
export function servedDemands({
  queues,
  labels,
}: {
  readonly queues: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}): WorkDemands[] {
  const parts = Object.entries(labels).reduce<[string, string][][]>(
    (found, label) => [...found.map((part) => [...part, label]), ...found],
    [[]],
  );
  return parts
    .sort((a, b) => b.length - a.length)
    .flatMap((part) => queues.map((queue) => ({ queue, labels: Object.fromEntries(part) })));
}
