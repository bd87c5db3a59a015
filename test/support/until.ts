import { delay } from "../../lib/async/delay.ts";

/** Waits until `holds` answers something other than undefined or false, and answers that. Throws with `what` when it does not in time. */
export async function until<Value>(
  what: string,
  holds: () => Promise<Value | undefined | false> | Value | undefined | false,
  withinMs = 10_000,
): Promise<Value> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await holds();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(10);
  }
}
