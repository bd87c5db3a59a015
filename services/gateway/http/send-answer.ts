import { once } from "node:events";
import type { OutgoingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ServerReply, ServerRequest } from "../../../lib/rpc/serve.ts";
import { readAway } from "./read-away.ts";
import type { HttpAnswer } from "./route.ts";

/** Callers see only what stands here, whatever a browser would like to make of it. */
const guardHeaders: OutgoingHttpHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/**
 * Sends an answer; without its body to a HEAD request. Resolves when it is handed
 * over, or rejects with what went wrong on the way, after which the caller sees a
 * broken connection.
 */
export async function sendAnswer(
  request: ServerRequest,
  response: ServerReply,
  { status, body, headers, stalledAfterMs }: HttpAnswer,
): Promise<void> {
  const isStream = typeof body === "object" && Symbol.asyncIterator in body;
  const isJson = typeof body === "object" && !isStream && !(body instanceof Uint8Array);
  const bytes = isStream ? undefined : bytesOf(body);
  const all: OutgoingHttpHeaders = {
    ...guardHeaders,
    ...(typeof body === "string" && { "content-type": "text/plain; charset=utf-8" }),
    ...(isJson && { "content-type": "application/json" }),
    ...(bytes !== undefined && status !== 204 && status !== 304 && { "content-length": bytes.length }),
    // What is left of a body that was not read would be taken for the next request.
    ...(!request.complete && request.httpVersionMajor === 1 && { connection: "close" }),
    ...headers,
  };
  // The two kinds of response have `writeHead` in common only by name.
  if ("stream" in response) response.writeHead(status, all);
  else response.writeHead(status, all);
  if (isStream && request.method !== "HEAD") {
    const stalled = new AbortController();
    const pieces = stalledAfterMs === undefined ? body : takenWithin(stalledAfterMs, body, stalled);
    await pipeline(Readable.from(pieces, { objectMode: false }), response, { signal: stalled.signal });
    return;
  }
  if (request.method !== "HEAD" && bytes !== undefined && bytes.length > 0) response.write(bytes);
  if (request.httpVersionMajor === 1) await readAway(request);
  response.end();
  if (!response.writableFinished) await Promise.race([once(response, "finish"), once(response, "close")]);
}

/** The pieces of a body; aborts `stalled` when one was there for so long and no more was asked for, as what stands between is full. */
async function* takenWithin(
  ms: number,
  body: AsyncIterable<Uint8Array>,
  stalled: AbortController,
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    const timer = setTimeout(() => stalled.abort(), ms);
    try {
      yield piece;
    } finally {
      clearTimeout(timer);
    }
  }
}

function bytesOf(body: object | string | undefined): Uint8Array {
  if (body === undefined || body instanceof Uint8Array) return body ?? Buffer.alloc(0);
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}
