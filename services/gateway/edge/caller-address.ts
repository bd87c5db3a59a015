import { isIP } from "node:net";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";

/**
 * Where a request came from. `hops` is how many proxies of the operator's stand
 * before us: each wrote whom it got the request from at the end of
 * `x-forwarded-for`; what stands before that anybody may have written.
 */
export function callerAddress(
  { headers, socket }: Pick<ServerRequest, "headers" | "socket">,
  hops: number,
): string {
  const peer = plain(socket.remoteAddress ?? "");
  if (hops === 0) return peer;
  const written = String(headers["x-forwarded-for"] ?? "").split(",");
  const way = [
    ...written.map((address) => plain(address.trim())).filter((address) => isIP(address) > 0),
    peer,
  ];
  return way.at(Math.max(way.length - 1 - hops, 0)) ?? peer;
}

/** What is counted as one caller: of IPv6 addresses the network, of which anybody has as many addresses as they like. */
export function callerNetwork(address: string): string {
  if (isIP(address) !== 6) return address;
  const [before = [], after = []] = address.split("::", 2).map((part) => part.split(":").filter(Boolean));
  const omitted = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...omitted, ...after].slice(0, 4).join(":");
}

/** IPv4 addresses as such, also on a socket for both, and without the port that some proxies write. */
function plain(address: string): string {
  const [, v4] = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/i.exec(address) ?? [];
  return v4 ?? /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? address;
}
