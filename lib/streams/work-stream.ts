/*
 * workflow:tasks, workflow:tasks:<queue…>   STREAM, one group
 *
 * Work that every reader of the stream may and can carry out: one stream per
 * queue, worker owner and set of handlers. Written by the owners of runs, after
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

/** The stream of a handler's tasks. */
export function workStreamOf(handler: string, stream: string = defaultWorkStream): string {
  const own = ownStreams.get(handler);
  return own === undefined ? stream : `${stream}:${own}`;
}
