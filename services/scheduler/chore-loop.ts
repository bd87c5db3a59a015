import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";

/** Between two rounds that left nothing to do. */
const idleMs = 2_000;

/** Does a bounded part of something that nobody waits for; says whether more of it is left. May be repeated, and by several replicas at once. */
export type Chore = () => Promise<boolean>;

/** Does one part of each chore after the other until `signal` aborts. Outages are waited out, and none keeps the others from being done. */
export async function choreLoop(
  { chores, log }: { readonly chores: readonly Chore[]; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ firstMs: 500, maxMs: 30_000 });
  while (!signal.aborted) {
    let isMoreLeft = false;
    let failure: unknown;
    for (const chore of chores) {
      try {
        isMoreLeft = (await chore()) || isMoreLeft;
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== undefined) {
      if (backoff.failures > 0) log.warn({ err: failure }, "chore not done");
      await backoff.wait(signal);
      continue;
    }
    backoff.reset();
    if (!isMoreLeft) await delay(idleMs, signal);
  }
}
