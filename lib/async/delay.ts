import { setTimeout } from "node:timers/promises";

/** Waits; ends early, without an error, when `signal` aborts. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}
