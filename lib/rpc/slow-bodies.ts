/*
 * Ends requests whose bodies take longer than anybody needs, so that no peer holds
 * a connection, or what was read of a body, by sending a byte now and then.
 *
 *   B1. A body may take `bodyGraceMs`, and then as long as its declared length
 *       takes at `bodyBytesPerSecond`; without one, as long as 64 MiB.
 *   B2. A stream of messages may take as long as it likes: who sends it bears a
 *       token, and the stream ends with that.
 *   B3. What has been answered while its body was still coming has `bodyGraceMs`
 *       to come to its end, which its peer may need to read the answer.
 */
import type { PeerLimits } from "./peer-limits.ts";
import type { HttpHandler, ServerRequest } from "./unknown-route.ts";

/** What a body is taken for that does not say how long it is. */
const undeclaredBytes = 64 * 1024 * 1024;

/** The longest that `setTimeout` can wait; it would fire at once for longer. */
const longestTimerMs = 2 ** 31 - 1;

/** Hands requests on to `next`, and ends those that are too slow. */
export function slowBodies(
  next: HttpHandler,
  { limits, isStream }: { readonly limits: PeerLimits; readonly isStream: (path: string) => boolean },
): HttpHandler {
  return (request, response) => {
    if (hasBody(request)) {
      // A request that was given up in the middle has no socket any more.
      const held = "stream" in request ? request.stream : request.socket;
      const end = () => {
        if (!request.complete) held.destroy();
      };
      const [path = ""] = (request.url ?? "").split("?", 1);
      let timer = isStream(path) ? undefined : setTimeout(end, allowedMs(request, limits)).unref();
      response.once("close", () => {
        clearTimeout(timer);
        if (!request.complete) timer = setTimeout(end, limits.bodyGraceMs).unref();
      });
    }
    next(request, response);
  };
}

function hasBody(request: ServerRequest): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}

/** In whole graces, because Node keeps a list of timers for each time that differs. */
function allowedMs({ headers }: ServerRequest, { bodyGraceMs, bodyBytesPerSecond }: PeerLimits): number {
  const declared = Number(headers["content-length"] ?? undeclaredBytes);
  const bytes = Number.isFinite(declared) ? declared : undeclaredBytes;
  const graces = 1 + Math.ceil(bytes / bodyBytesPerSecond / (bodyGraceMs / 1_000));
  return Math.min(graces * bodyGraceMs, longestTimerMs);
}
