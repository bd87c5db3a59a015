import { z } from "zod";
import { allScopes, type Scope } from "../../../lib/rpc/access.ts";
import { publicAudiences } from "../../../lib/rpc/tokens.ts";
import type { Audience } from "../client.ts";

/** An OpenID Connect issuer that the operator trusts, and what its tokens mean here. */
export interface Issuer {
  /** As its tokens name it in `iss`. */
  readonly issuer: string;
  /** Ours for it; it stands in the ids of clients that stand for its subjects. */
  readonly name: string;
  /** Its tokens are taken when they are for one of these. */
  readonly audiences: readonly string[];
  /** What its tokens may be signed with. */
  readonly algorithms: readonly string[];
  /** Where its keys are; undefined when its own document says so. */
  readonly keysUrl: string | undefined;
  readonly keysFreshMs: number;
  /** The claim that names a client of ours. */
  readonly clientIdClaim: string;
  /** Whether subjects that are no clients of ours may call as well. */
  readonly allowsUnregistered: boolean;
  /** What those may call, by what their tokens say; undefined means `tasks-api`. */
  readonly audienceOf: ClaimMap<Audience> | undefined;
  /** What a token may be used for, by what it says; undefined means everything that its client may. */
  readonly scopesOf: ClaimMap<Scope> | undefined;
}

/** What the values of a claim mean. */
export interface ClaimMap<Meaning extends string> {
  /** Its name, or the way to it: `realm_access.roles`. */
  readonly claim: string;
  readonly meanings: ReadonlyMap<string, Meaning>;
}

/** Only keys of two halves: with a shared one whoever checks tokens could make them. */
const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** One entry of `OIDC_ISSUERS`, as an operator writes it. */
export const issuerEntry = z
  .strictObject({
    issuer: z.url(),
    name: z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,60}$/, "is not of 1 to 60 letters, digits, dots and hyphens")
      .optional(),
    audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    algorithms: z.array(z.enum(algorithms)).min(1).default(["RS256", "PS256", "ES256", "EdDSA"]),
    jwks_url: z.url().optional(),
    jwks_cache_seconds: z.number().int().min(1).max(3_600).default(600),
    client_id_claim: z.string().min(1).default("sub"),
    allow_unregistered: z.boolean().default(false),
    audience_claim: z.string().min(1).optional(),
    audience_map: z.record(z.string(), z.enum(publicAudiences)).optional(),
    scope_claim: z.string().min(1).optional(),
    scope_map: z
      .record(z.string(), z.enum(allScopes))
      .default(Object.fromEntries(allScopes.map((scope) => [scope, scope]))),
  })
  .refine(
    ({ audience_claim: claim, audience_map: map }) => (claim === undefined) === (map === undefined),
    "audience_claim and audience_map: one is set without the other",
  )
  .transform(
    (entry): Issuer => ({
      issuer: entry.issuer,
      name: entry.name ?? new URL(entry.issuer).hostname,
      audiences: [entry.audience].flat(),
      algorithms: entry.algorithms,
      keysUrl: entry.jwks_url,
      keysFreshMs: entry.jwks_cache_seconds * 1_000,
      clientIdClaim: entry.client_id_claim,
      allowsUnregistered: entry.allow_unregistered,
      audienceOf: claimMap(entry.audience_claim, entry.audience_map ?? {}),
      scopesOf: claimMap(entry.scope_claim, entry.scope_map),
    }),
  );

function claimMap<Meaning extends string>(
  claim: string | undefined,
  meanings: Readonly<Record<string, Meaning>>,
): ClaimMap<Meaning> | undefined {
  return claim === undefined ? undefined : { claim, meanings: new Map(Object.entries(meanings)) };
}
