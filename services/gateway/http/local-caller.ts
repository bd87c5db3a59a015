/*
 * Whether a request without a token may be taken for the local client's.
 *
 * The workflow engines know no tokens, so whoever reaches their routes may use
 * them: the developer at the machine. A page of another site that the developer
 * has open reaches them too, by the browser, and must not get in:
 *
 *   L1. It can send, though not read, across sites: then the browser names its
 *       origin, or says that the request comes from another site.
 *   L2. It can make its own name lead here (DNS rebinding): then `Host` has that
 *       name, which has a dot. An address can not be made to lead elsewhere.
 *   L3. What a proxy passes on is not from this machine, wherever the gateway listens.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { TokenSource } from "../../../lib/rpc/internal-token.ts";
import type { EdgeSettings } from "../edge/edge.ts";
import { hostRule, isLoopback } from "../edge/host-rule.ts";
import { Origins } from "../edge/origins.ts";

/** To whom routes answer that may be called without a token. */
export interface TokenlessSettings {
  /** Whether to whoever reaches them. */
  readonly areOpen: boolean;
  /** Whether to this machine while the gateway is bound to loopback. */
  readonly areOpenOnLoopback: boolean;
}

/** Who calls that bear no token are taken for. */
export interface LocalCaller {
  /** The local client's token. */
  readonly token: TokenSource;
  /** Whether calls that come through a proxy are let in. */
  readonly throughProxies: boolean;
  /** Whether a name with a dot is one of ours. */
  readonly isOurName: (host: string) => boolean;
  /** Whether an origin's pages may use this installation although they are not ours. */
  readonly isOurOrigin: (origin: string) => boolean;
}

/** Who calls without a token are taken for on a port; undefined when none is let in. Names and origins count when the operator names them, not when any would do. */
export function localCaller(
  { areOpen, areOpenOnLoopback }: TokenlessSettings,
  {
    boundTo,
    token,
    edge,
  }: {
    /** The address that the port listens at. */
    readonly boundTo: string;
    readonly token: TokenSource;
    readonly edge: Pick<EdgeSettings, "trustedHosts" | "origins" | "pattern">;
  },
): LocalCaller | undefined {
  if (!areOpen && !(areOpenOnLoopback && isLoopback(boundTo))) return undefined;
  const trusted = edge.trustedHosts.filter((name) => name !== "*");
  const hosts = hostRule({ boundTo: "localhost", trusted });
  const origins = new Origins(edge);
  return {
    token,
    throughProxies: areOpen,
    isOurName: hosts.allows,
    isOurOrigin: (origin) => origins.permission(origin) === "named",
  };
}

const proxyHeaders = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"] as const;

/** The `authorization` that a request without one gets. Rejects with `TOKEN_MISSING` when it needs one of its own. */
export async function localAuthorization(
  headers: IncomingHttpHeaders,
  { token, throughProxies, isOurName, isOurOrigin }: LocalCaller,
): Promise<string> {
  const host = hostOf(headers);
  const isAddressed = host !== undefined && (!isPublicName(host.name) || isOurName(host.name));
  const isProxied = proxyHeaders.some((name) => headers[name] !== undefined);
  if (!isAddressed || isForeignPage(headers, host.origin, isOurOrigin) || (isProxied && !throughProxies)) {
    throw new DomainError("TOKEN_MISSING", "the call bears no token");
  }
  return `Bearer ${await token()}`;
}

function isForeignPage(
  headers: IncomingHttpHeaders,
  own: string,
  isOurOrigin: LocalCaller["isOurOrigin"],
): boolean {
  const { origin } = headers;
  if (origin !== undefined) {
    return origin.replace(/^https?:\/\//, "").toLowerCase() !== own && !isOurOrigin(origin);
  }
  const site = headers["sec-fetch-site"];
  return site !== undefined && site !== "same-origin" && site !== "none";
}

function hostOf(
  headers: IncomingHttpHeaders,
): { readonly name: string; readonly origin: string } | undefined {
  const sent = headers[":authority"] ?? headers.host;
  if (typeof sent !== "string") return undefined;
  const origin = sent.toLowerCase();
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]+))(?::\d+)?$/.exec(origin) ?? [];
  const name = bracketed ?? plain;
  return name === undefined ? undefined : { name, origin };
}

/** Whether a name may be one that somebody else owns; names of one word are given within a network. */
function isPublicName(name: string): boolean {
  return isIP(name) === 0 && name.includes(".") && !name.endsWith(".localhost");
}
