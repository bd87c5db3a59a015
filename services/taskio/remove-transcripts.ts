/*
 * Removes the transcripts of runs that have ended.
 *
 *   R1. First the stream goes, then the note of how far it is stored, then the
 *       entries. Without the note nothing is stored that does not begin anew, so
 *       an archiver in the middle of its work adds nothing behind our back, but
 *       for a beginning; the scheduler asks again before it forgets a young run.
 *   R2. Every step may be repeated, by several processes at once, and after a
 *       death between any two of them.
 *   R3. A call removes a bounded part.
 */
import type { Broker } from "../../lib/broker/broker.ts";
import { transcriptStreamOf } from "../../lib/streams/transcript-stream.ts";
import type { TranscriptStore } from "./transcript-store.ts";

/** How many transcripts a call removes. */
const tasksPerCall = 1_000;

/** How many entries a call removes: of full ones, 125 MiB. */
const entriesPerCall = 2_000;

/** Removes a part of the transcripts of these runs; answers whether nothing is left. */
export async function removeTranscripts(
  {
    store,
    broker,
  }: {
    readonly store: Pick<TranscriptStore, "tasksOf" | "removeHeads" | "removeEntries">;
    readonly broker: Pick<Broker, "drop">;
  },
  runIds: readonly string[],
): Promise<boolean> {
  const taskIds = await store.tasksOf(runIds, tasksPerCall);
  if (taskIds.length > 0) {
    await broker.drop(taskIds.map(transcriptStreamOf));
    await store.removeHeads(taskIds);
  }
  const removed = await store.removeEntries(runIds, entriesPerCall);
  return taskIds.length < tasksPerCall && removed < entriesPerCall;
}
