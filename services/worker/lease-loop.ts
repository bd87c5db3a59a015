import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Attempt } from "./attempt.ts";

/** Well below the margin by which a lease is given up early. */
const lookMs = 500;

/** Gives attempts up whose leases nobody has renewed in time; apart from the heartbeats, so that one that hangs holds nothing up. Ends when `signal` aborts. */
export async function leaseLoop(
  { attempts, log }: { readonly attempts: Iterable<Attempt>; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(lookMs, signal);
    const nowMs = performance.now();
    for (const attempt of attempts) {
      if (!attempt.giveUpIfLapsed(nowMs)) continue;
      const { taskId, attempt: number } = attempt.assignment;
      log.warn({ taskId, attempt: number }, "lease given up");
    }
  }
}
