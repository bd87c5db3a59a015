import type { TLSSocket } from "node:tls";
import type { ServerRequest } from "../../../../lib/rpc/serve.ts";
import { issuerHeader } from "../../../../lib/rpc/tokens.ts";
import type { HttpCall } from "../../http/route.ts";

/** By which URL whoever sends a request knows this server; undefined when that can not be told for sure. */
export type IssuerOf = (request: ServerRequest) => string | undefined;

/** A name of this machine, with or without a port; no other is believed, because callers make it up. */
const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;

/**
 * The URL that tokens and the metadata name as their issuer: what the operator set,
 * else, for callers on this machine, the one that they called.
 */
export function issuerOf(publicUrl: string | undefined): IssuerOf {
  return ({ headers, socket }) => {
    if (publicUrl !== undefined) return publicUrl;
    const authority = headers[":authority"] ?? headers.host;
    if (typeof authority !== "string" || !loopbackHost.test(authority)) return undefined;
    const isSecure = (socket as Partial<TLSSocket>).encrypted === true;
    return `${isSecure ? "https" : "http"}://${authority}`;
  };
}

/** What tells auth whom tokens are to name as their issuer. */
export function issuerHeaders(
  { request }: Pick<HttpCall, "request">,
  issuerOf: IssuerOf,
): Readonly<Record<string, string>> {
  const issuer = issuerOf(request);
  return issuer === undefined ? {} : { [issuerHeader]: issuer };
}
