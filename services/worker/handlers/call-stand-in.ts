import { isIP } from "node:net";
import { delay } from "../../../lib/async/delay.ts";
import type { CallRequest } from "../../../lib/outbound/exchange.ts";
import type { Resolve } from "../../../lib/outbound/resolve-host.ts";
import type { Outcome } from "../outcome.ts";
import { callOutput } from "./call-output.ts";

/** Answers a call in the place of a host that there is not; undefined when there is one. */
export type CallStandIn = (request: CallRequest, signal: AbortSignal) => Promise<Outcome | undefined>;

/** A name of one word that takes longer than this to find leads nowhere. */
const resolveMs = 2_000;

/**
 * The stand-in for hosts with a name of one word that does not resolve, as
 * `http://service-a` in the samples of tutorials: it answers 200 with what it was
 * asked, and marks its output `simulated`. Names with a dot are never simulated.
 */
export function callStandIn(resolve: Resolve): CallStandIn {
  return async ({ method, url }, signal) => {
    const { hostname: host } = url;
    if (host.includes(".") || isIP(host.replaceAll(/[[\]]/g, "")) !== 0) return undefined;
    const found = new AbortController();
    const isThere = await Promise.race([
      resolve(host).then(
        () => true,
        () => false,
      ),
      delay(resolveMs, AbortSignal.any([signal, found.signal])).then(() => false),
    ]);
    found.abort();
    if (isThere || signal.aborted) return undefined;
    const data = JSON.stringify({ service: host, method, path: `${url.pathname}${url.search}` });
    const headers = new Map([["content-type", "application/json"]]);
    return { kind: "completed", output: callOutput({ status: 200, headers, data, url, simulated: true }) };
  };
}
