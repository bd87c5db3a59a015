/*
 * Events as rows. The payload is the fact as UTF-8 JSON, without what stands in
 * columns of its own; the definition of a stored workflow is left out and put
 * back when the row is read, because a workflow never changes.
 */
import type { Definition } from "./core/definition.ts";
import type { Fact, RunEvent } from "./core/event.ts";

/** One row of `scheduler.run_event`. */
export interface EventRow {
  readonly run_id: string;
  readonly seq: number;
  readonly type: string;
  readonly node_id: string | null;
  readonly attempt: number | null;
  readonly at: Date;
  readonly payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The types that this code understands. */
const knownTypes: ReadonlySet<string> = new Set<Fact["type"]>([
  "run_started",
  "task_leased",
  "task_started",
  "prompt_opened",
  "prompt_answered",
  "task_ended",
  "lease_lapsed",
  "timer_fired",
  "child_ended",
  "signal_received",
  "pause_requested",
  "resume_requested",
  "cancel_requested",
  "run_refused",
]);

/** An event that was written by newer code: whoever meets one must not decide about its run. */
export class UnknownEventType extends Error {
  override readonly name = "UnknownEventType";
}

export function encodeEvent(runId: string, event: RunEvent): EventRow {
  const { seq, at, type, ...rest } = event;
  const { nodeId, attempt, ...fact } = { nodeId: null, attempt: null, ...rest };
  const payload =
    event.type === "run_started" && event.workflowId !== undefined
      ? { ...fact, definition: undefined }
      : fact;
  return {
    run_id: runId,
    seq,
    type,
    node_id: nodeId,
    attempt,
    at,
    payload: encoder.encode(JSON.stringify(payload)),
  };
}

/** Reads a row. Throws `UnknownEventType`. `definitionOf` answers the definition of a stored workflow. */
export function decodeEvent(row: EventRow, definitionOf: (workflowId: string) => Definition): RunEvent {
  if (!knownTypes.has(row.type)) {
    throw new UnknownEventType(`run ${row.run_id} has an event of the unknown type ${row.type}`);
  }
  const fact = JSON.parse(decoder.decode(row.payload)) as Record<string, unknown>;
  if (row.type === "run_started" && typeof fact["workflowId"] === "string") {
    fact["definition"] = definitionOf(fact["workflowId"]);
  }
  return {
    ...fact,
    type: row.type,
    seq: row.seq,
    at: row.at,
    ...(row.node_id !== null && { nodeId: row.node_id, attempt: row.attempt }),
  } as RunEvent;
}

/** The workflow that a history executes, or undefined when it brings its own definition. */
export function workflowOf(row: EventRow): string | undefined {
  const fact = JSON.parse(decoder.decode(row.payload)) as Record<string, unknown>;
  return typeof fact["workflowId"] === "string" ? fact["workflowId"] : undefined;
}
