import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Feeds } from "./feeds.ts";

/** How often watched tasks are looked at whether or not there was a wake. */
const lookMs = 1_000;

/** Looks at all watched tasks again and again, until `signal` aborts: what a lost wake was for comes a second later. */
export async function lookLoop(
  { feeds, log }: { readonly feeds: Feeds; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ firstMs: lookMs, maxMs: lookMs });
  while (!signal.aborted) {
    try {
      await feeds.lookAtAll();
      backoff.reset();
      await delay(lookMs, signal);
    } catch (err) {
      if (backoff.failures > 0) log.warn({ err }, "watched tasks can not be looked at");
      await backoff.wait(signal);
    }
  }
}
