import { cors } from "@connectrpc/connect";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import type { Origins } from "./origins.ts";

/** For how long a browser may remember what it was told, in seconds; browsers have bounds of their own below. */
const maxAgeSeconds = "7200";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** What pages may send. */
const sent = [
  ...cors.allowedHeaders,
  "Authorization",
  "Idempotency-Key",
  "If-Match",
  "If-None-Match",
  "Last-Event-ID",
  "Traceparent",
  "X-Request-Id",
  "X-Requested-With",
];

/** What pages may see. */
const seen = [
  ...cors.exposedHeaders,
  "Content-Disposition",
  "ETag",
  "Link",
  "Location",
  "Retry-After",
  "WWW-Authenticate",
  "X-Request-Id",
];

/** Whether a browser asks if a page may make a request (a preflight). */
export function isPreflight({ method, headers }: ServerRequest): boolean {
  return (
    method === "OPTIONS" &&
    headers.origin !== undefined &&
    headers["access-control-request-method"] !== undefined
  );
}

/** What the answer to a preflight says besides `crossOriginHeaders`. */
export const preflightHeaders: Readonly<Record<string, string>> = {
  "access-control-allow-methods": methods.join(", "),
  "access-control-allow-headers": sent.join(", "),
  "access-control-max-age": maxAgeSeconds,
};

/**
 * What an answer says about who may read it; nothing to a page that may not. Only
 * an origin that is allowed by itself may let the browser add what it keeps for
 * us, as cookies.
 */
export function crossOriginHeaders(
  { headers: { origin } }: ServerRequest,
  origins: Origins,
): Readonly<Record<string, string>> {
  if (!origins.areAny) return {};
  const permission = origin === undefined ? undefined : origins.permission(origin);
  if (origin === undefined || permission === undefined) return { vary: "Origin" };
  return {
    vary: "Origin",
    "access-control-allow-origin": permission === "named" ? origin : "*",
    ...(permission === "named" && { "access-control-allow-credentials": "true" }),
    "access-control-expose-headers": seen.join(", "),
  };
}
