/** Headers of one connection, of one message's encoding, or of the protocol that carries a call; each side of the gateway has its own. */
const ownHeaders = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "cookie",
  "date",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
]);

const ownPrefixes = [":", "grpc-", "connect-", "access-control-", "trailer-"];

/**
 * What of a call's headers or trailers the other side is to see: `authorization`,
 * `x-request-id`, `traceparent`, `retry-after` and whatever metadata of their own
 * callers and services use, but nothing that is about the connection or the protocol.
 */
export function forwardedHeaders(headers: Headers): Headers {
  const forwarded = new Headers();
  // The values of `connection` name further headers of this connection alone (RFC 9110 §7.6.1).
  const named = new Set(
    (headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase()),
  );
  for (const [name, value] of headers) {
    if (ownHeaders.has(name) || named.has(name) || ownPrefixes.some((prefix) => name.startsWith(prefix)))
      continue;
    forwarded.append(name, value);
  }
  return forwarded;
}

/** Adds headers to others. */
export function addHeaders(target: Headers, added: Headers): void {
  for (const [name, value] of added) target.append(name, value);
}
