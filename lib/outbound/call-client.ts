/*
 * Opens the connections of calls.
 *
 *   G1. A user's call connects only to an address that the policy allows: what a
 *       name leads to is checked in the look-up whose answer is connected to, so
 *       it can not change in between, and every redirect is checked anew.
 *   G2. Every request has a connection of its own: what was checked is what is
 *       used, no call is lost because a server closed a kept connection, and
 *       nothing of one client's connection is left to another.
 *   G3. No proxy is used, whatever the environment says: it would connect for
 *       us, unchecked.
 */
import type { LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { callbackify } from "node:util";
import { buildConnector, Client } from "undici";
import type { AddressPolicy } from "./address-policy.ts";
import type { Resolve } from "./resolve-host.ts";

/** Makes what one request is sent by; to be destroyed by who called. Its connection ends when `signal` aborts, also while it is being made. */
export type OpenClient = (origin: string, signal: AbortSignal) => Client;

/** The host of a URL leads to no address that calls may reach. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
  readonly host: string;

  constructor(host: string) {
    super(`${host} leads to no address that calls may reach`);
    this.host = host;
  }
}

/** The whole call is bounded in time by its signal, so its phases need not be. */
const oneRequest = { pipelining: 0, headersTimeout: 0, bodyTimeout: 0, allowH2: false } as const;

/** For what the operator chose, which is trusted wherever it is. */
export const trustedClient: OpenClient = (origin, signal) =>
  new Client(origin, { ...oneRequest, connect: { signal } });

/** For URLs that users chose. What the policy does not allow rejects the request with `AddressRefused`. */
export function guardedClient({
  policy,
  resolve,
}: {
  readonly policy: AddressPolicy;
  readonly resolve: Resolve;
}): OpenClient {
  const connectorOf =
    (signal: AbortSignal): buildConnector.connector =>
    (options, callback) => {
      const { hostname: host, protocol } = options;
      const port = Number(options.port || (protocol === "https:" ? 443 : 80));
      const isAllowed = (address: string) => policy.allows({ host, port, address });
      // An address is connected to without a look-up.
      if (isIP(host) !== 0 && !isAllowed(host)) {
        callback(new AddressRefused(host), null);
        return;
      }
      const lookup = checkedLookup(resolve, isAllowed);
      buildConnector({ allowH2: false, lookup, signal })(options, callback);
    };
  return (origin, signal) => new Client(origin, { ...oneRequest, connect: connectorOf(signal) });
}

function checkedLookup(resolve: Resolve, isAllowed: (address: string) => boolean): LookupFunction {
  const allowedOf = callbackify(async (host: string): Promise<[LookupAddress, ...LookupAddress[]]> => {
    const [first, ...others] = (await resolve(host)).filter(({ address }) => isAllowed(address));
    if (first === undefined) throw new AddressRefused(host);
    return [first, ...others];
  });
  return (host, { all }, callback) => {
    allowedOf(host, (error, allowed) => {
      if (error !== null) callback(error, []);
      else if (all === true) callback(null, allowed);
      else callback(null, allowed[0].address, allowed[0].family);
    });
  };
}
