import type { Bounds } from "./recent-entries.ts";

/** How taskio works. */
export interface TaskIOConfig {
  /** How long entries that the broker lost may still come, once their attempt is over. */
  readonly lostAfterMs: number;
  /** How often all transcripts in the broker are looked through. */
  readonly scanMs: number;
  /** After this long without news a watcher gets a sign of life. */
  readonly heartbeatMs: number;
  /** How far a watcher may fall behind before it is dropped. */
  readonly behind: Bounds;
}
