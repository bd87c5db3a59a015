import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { DomainError } from "../errors/domain-error.ts";
import type { Access, AccessRules, Scope, TokenAudience } from "./access.ts";

/** Who calls, as the token says. */
export interface Caller {
  /** The client's id; of another issuer's subject a name for it; of an internal token the calling service's name. */
  readonly clientId: string;
  readonly audience: TokenAudience;
  /** What the token may be used for; of an internal token everything. */
  readonly scopes: ReadonlySet<Scope>;
  /** What the token alone has: its `jti`. Empty for internal ones. */
  readonly tokenId: string;
  /** What the tokens that came of one IssueToken have in common: their `sid`. Absent when it came of none. */
  readonly familyId?: string;
  /** How another issuer names the caller, whose token this one was given for. Absent when it was given for none. */
  readonly externalSubject?: string;
  readonly issuedAt: Date;
  /** From when on the token is refused. */
  readonly expiresAt: Date;
}

/**
 * Says whose a token is.
 *
 * Rejects with a `DomainError`: TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, or
 * SERVICE_UNAVAILABLE when the keys to check it with are not to be had.
 */
export type VerifyToken = (token: string) => Promise<Caller>;

const callerKey = createContextKey<Caller | undefined>(undefined, { description: "who calls" });

/** Who calls this handler. Throws a TypeError in a procedure that is open to callers without a token. */
export function callerOf({ values }: Pick<HandlerContext, "values">): Caller {
  const caller = values.get(callerKey);
  if (caller === undefined) throw new TypeError("a procedure that needs no token asked who calls");
  return caller;
}

/** Who calls, undefined for a call that needed no token. */
export function callerIn(values: HandlerContext["values"]): Caller | undefined {
  return values.get(callerKey);
}

/** The rule for a procedure, undefined when there is none and every call of it is refused. */
export function ruleFor(rules: AccessRules, method: DescMethod): Access | undefined {
  return rules[`${method.parent.typeName}/${method.name}`] ?? rules[method.parent.typeName];
}

/** Refuses a call by its headers alone, before anything of its body is read. Rejects as `callerFor`. */
export async function authenticate(
  context: HandlerContext,
  rules: AccessRules,
  verify: VerifyToken,
): Promise<void> {
  const access = ruleFor(rules, context.method) ?? { audiences: [], scope: "none" };
  const header = context.requestHeader.get("authorization") ?? undefined;
  context.values.set(callerKey, await callerFor(header, access, verify));
}

/**
 * Who calls, by the `authorization` header; undefined where no token is needed,
 * whatever the header holds.
 *
 * Rejects with a `DomainError`: TOKEN_MISSING, what `verify` says, or what
 * `admit` says.
 */
export async function callerFor(
  authorizationHeader: string | undefined,
  access: Access,
  verify: VerifyToken,
): Promise<Caller | undefined> {
  if (access === "open") return undefined;
  const caller = await verify(bearerToken(authorizationHeader));
  admit(caller, access);
  return caller;
}

/**
 * Throws WRONG_AUDIENCE or MISSING_SCOPE when a caller may not. An internal token
 * is good only where the rule lists `internal`.
 */
export function admit({ audience, scopes }: Caller, access: Access): void {
  if (access === "open") return;
  const { audiences, scope } = access;
  if (audiences === "any" ? audience === "internal" : !audiences.includes(audience)) {
    const required = audiences === "any" ? [] : audiences.filter((needed) => needed !== "internal");
    throw new DomainError("WRONG_AUDIENCE", `a token for ${audience} is not good for this call`, {
      required: required.join(" "),
    });
  }
  if (scope !== "none" && !scopes.has(scope))
    throw new DomainError("MISSING_SCOPE", `the token has not the scope ${scope}`, { required: scope });
}

function bearerToken(header: string | undefined): string {
  if (header === undefined) throw new DomainError("TOKEN_MISSING", "the call bears no token");
  const [, token] = /^bearer +([\w.~+/=-]+)$/i.exec(header) ?? [];
  if (token === undefined)
    throw new DomainError("TOKEN_INVALID", "the authorization header holds no bearer token");
  return token;
}
