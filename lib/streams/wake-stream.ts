/*
 * antiphon:wake:<shard>   STREAM, no group
 *
 * Names of tasks with news: from workers after an append to a transcript, from
 * owners after a commit that changed the task. Read by every taskio from the end
 * of the stream at its start; trimmed by age, never by reading. A lost wake only
 * delays: watched tasks are looked at every second besides.
 */
import { createHash } from "node:crypto";

/** How many streams the wakes are spread over. */
export const wakeShardCount = 4;

const wakeStreams: readonly string[] = Array.from(
  { length: wakeShardCount },
  (_, shard) => `antiphon:wake:${shard}`,
);

/** All wake streams. */
export const allWakeStreams = (): readonly string[] => wakeStreams;

/** The stream that a task's wakes go to. */
export function wakeStreamOf(taskId: string): string {
  const shard = createHash("md5").update(taskId).digest().readUInt8(0) % wakeShardCount;
  return wakeStreams[shard] ?? "antiphon:wake:0";
}

export const encodeWake = (taskId: string): Uint8Array => new TextEncoder().encode(taskId);

export const decodeWake = (body: Uint8Array): string => new TextDecoder().decode(body);
