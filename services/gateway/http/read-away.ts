import { delay } from "../../../lib/async/delay.ts";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";

/** How much of a body that nobody wants is read, in bytes, and for how long. */
const maxBytes = 16 * 1024 * 1024;
const maxMs = 3_000;

/**
 * Reads what is left of a body and keeps nothing of it. A caller that is still
 * sending when its connection ends hears of that, and not what it was answered.
 * Resolves at the body's end, or when it is too long or too slow.
 */
export async function readAway(request: ServerRequest): Promise<void> {
  if (request.complete || request.destroyed) return;
  const over = new AbortController();
  const finish = (): void => over.abort();
  let size = 0;
  const count = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > maxBytes) finish();
  };
  request.on("data", count).once("end", finish).once("close", finish).resume();
  await delay(maxMs, over.signal);
  request.off("data", count).off("end", finish).off("close", finish).pause();
}
