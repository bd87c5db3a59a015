import type { IncomingMessage } from "node:http";
import type { Access } from "../../../lib/rpc/access.ts";
import { type Caller, callerFor, type VerifyToken } from "../../../lib/rpc/authenticate.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import type { TokenSource } from "../../../lib/rpc/internal-token.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";

/** Who may watch by WebSocket. That answers need more is checked with each of them. */
const watching: Access = { audiences: ["tasks-api", "admin-api"], scope: "read" };

/** The names of the protocol that clients offer beside their token; both are the same. */
const protocolNames: ReadonlySet<string> = new Set(["tasks-api", "task-api"]);

/** Of the protocols that a client offers, the one that it is answered with; undefined when none is ours. */
export function protocolOf(offered: Iterable<string>): string | undefined {
  return [...offered].find((name) => protocolNames.has(name));
}

/** What tokens are looked at with. */
export interface BearerNeeds {
  readonly verify: VerifyToken;
  /** The token that goes along to the services behind instead of the one that a caller showed; undefined leaves that one. */
  readonly tokenFor: (caller: Caller) => string | undefined;
  /** Whether the page that sent the request may use the cookies of this server. */
  readonly isAllowedOrigin: (request: IncomingMessage) => boolean;
}

/** Who asks, and the token that goes along to the services behind, as it is at the moment: one that stands for another issuer's does not last as long as that. */
interface Bearer {
  readonly caller: Caller;
  readonly token: TokenSource;
}

/**
 * Who asks for a WebSocket: by the first token that is good, of the query's
 * `access_token`, the cookie `access_token`, the header `Authorization` and the
 * offered protocols.
 *
 * Browsers send cookies for whatever page asks, so the cookie counts only for a
 * page that may use it.
 *
 * Rejects with a `DomainError`: TOKEN_MISSING when there is none, else what is
 * wrong with the first, and SERVICE_UNAVAILABLE at once.
 */
export async function bearerOf(
  request: IncomingMessage,
  { verify, tokenFor, isAllowedOrigin }: BearerNeeds,
): Promise<Bearer> {
  let refusal: unknown;
  for (const token of tokensOf(request, isAllowedOrigin(request))) {
    try {
      const caller = await callerFor(`Bearer ${token}`, watching, verify);
      if (caller === undefined) continue;
      if (tokenFor(caller) === undefined) return { caller, token: async () => token };
      return { caller, token: async () => tokenFor(await verify(token)) ?? token };
    } catch (thrown) {
      if (fromConnectError(toConnectError(thrown)).reason === "SERVICE_UNAVAILABLE") throw thrown;
      refusal ??= thrown;
    }
  }
  // Without a header this throws TOKEN_MISSING.
  if (refusal === undefined) await callerFor(undefined, watching, verify);
  throw refusal;
}

/** The tokens that a request bears, in the order in which they are tried. */
function tokensOf({ url = "", headers }: IncomingMessage, withCookie: boolean): readonly string[] {
  const query = new URLSearchParams(url.split("?", 2)[1]);
  const [, inHeader] = /^bearer +(.+)$/i.exec(headers.authorization ?? "") ?? [];
  const [name = "", offered] = (headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((each) => each.trim());
  const found = [
    query.get("access_token") ?? undefined,
    withCookie ? cookieOf(headers.cookie) : undefined,
    inHeader,
    protocolNames.has(name) ? offered : undefined,
  ];
  return [...new Set(found)].filter((token): token is string => token !== undefined && token !== "");
}

function cookieOf(header = ""): string | undefined {
  for (const pair of header.split(";")) {
    const [name, value] = pair.split("=", 2);
    if (name?.trim() === "access_token") return value?.trim().replace(/^"(.*)"$/, "$1");
  }
  return undefined;
}
