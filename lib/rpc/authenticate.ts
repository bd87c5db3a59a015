import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { DomainError } from "../errors/domain-error.ts";
import type { AudienceRules, TokenAudience } from "./running-service.ts";

/** Who calls, as the token says. */
export interface Caller {
  /** The client's id; of an internal token the calling service's name. */
  readonly clientId: string;
  readonly audience: TokenAudience;
  /** From when on the token is refused. */
  readonly expiresAt: Date;
}

/**
 * Says whose a token is.
 *
 * Rejects with a `DomainError`: TOKEN_INVALID, TOKEN_EXPIRED, or
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

/** From when on the token of a call is refused, undefined for a call that needed none. */
export function tokenExpiryOf(values: HandlerContext["values"]): Date | undefined {
  return values.get(callerKey)?.expiresAt;
}

/** The rule for a procedure, undefined when there is none and every call of it is refused. */
export function ruleFor(rules: AudienceRules, method: DescMethod): AudienceRules[string] | undefined {
  return rules[`${method.parent.typeName}/${method.name}`] ?? rules[method.parent.typeName];
}

/**
 * Refuses a call by its headers alone, before anything of its body is read.
 *
 * Rejects with a `DomainError`: TOKEN_MISSING, what `verify` says, or
 * WRONG_AUDIENCE. An internal token is good only where the rule lists
 * `internal`, so "any-token" does not mean it.
 */
export async function authenticate(
  context: HandlerContext,
  rules: AudienceRules,
  verify: VerifyToken,
): Promise<void> {
  const rule = ruleFor(rules, context.method);
  if (rule === "open") return;
  const caller = await verify(bearerToken(context.requestHeader));
  if (!admits(rule, caller.audience)) {
    const required = Array.isArray(rule) ? rule.filter((audience) => audience !== "internal").join(" ") : "";
    throw new DomainError("WRONG_AUDIENCE", `a token for ${caller.audience} is not good for this call`, {
      required,
    });
  }
  context.values.set(callerKey, caller);
}

function admits(rule: AudienceRules[string] | undefined, audience: TokenAudience): boolean {
  if (rule === undefined || rule === "open") return false;
  return rule === "any-token" ? audience !== "internal" : rule.includes(audience);
}

function bearerToken(header: Headers): string {
  const value = header.get("authorization");
  if (value === null) throw new DomainError("TOKEN_MISSING", "the call bears no token");
  const [, token] = /^bearer +([\w.~+/=-]+)$/i.exec(value) ?? [];
  if (token === undefined)
    throw new DomainError("TOKEN_INVALID", "the authorization header holds no bearer token");
  return token;
}
