import { delay } from "../lib/async/delay.ts";

/** Looks every `everyMs` until something holds. Rejects with `what` when it does not within `withinMs`. */
export async function until(
  what: string,
  holds: () => Promise<boolean>,
  { everyMs = 10, withinMs = 60_000 } = {},
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(everyMs);
  }
}
