import { z } from "zod";
import { ConfigError, type Secret, secret } from "../../../lib/config/env.ts";
import { isSecureUrl } from "../../../lib/http/is-secure-url.ts";
import { type Issuer, issuerEntry } from "./issuer.ts";

/** A service of the operator's that says whose a token is. */
export interface VerifyHookSettings {
  readonly url: string;
  /** Sent along, so that the service knows who asks. */
  readonly secret: Secret | undefined;
}

/** Whose tokens are taken besides our own. */
export interface FederationSettings {
  readonly issuers: readonly Issuer[];
  readonly verifyHook: VerifyHookSettings | undefined;
}

const issuers = z.string().transform((text, context): readonly Issuer[] => {
  const entries = parsed(text);
  if (entries === undefined) {
    context.addIssue({ code: "custom", message: "is no JSON" });
    return z.NEVER;
  }
  const read = z.array(issuerEntry).safeParse(entries, { reportInput: true });
  if (read.success) return read.data;
  for (const { path, input, message } of read.error.issues) {
    context.addIssue({ code: "custom", path, message: input === undefined ? "is required" : message });
  }
  return z.NEVER;
});

const isOn = z.stringbool().default(false);

/** The variables about other issuers: ours, and those of the Waldiez runner, which knows one issuer and one service. */
export const federationVariables = {
  OIDC_ISSUERS: issuers
    .optional()
    .describe(
      "The issuers whose tokens are taken, a list in JSON; what an entry may have is in [identity](identity.md).",
    ),
  EXTERNAL_AUTH_VERIFY_URL: z
    .url()
    .optional()
    .describe("A service of the operator's that says whose a token is that is nobody's here."),
  EXTERNAL_AUTH_SECRET: secret.optional().describe("What that service is shown to know who asks."),
  FEDERATION_ALLOW_HTTP: isOn.describe(
    "Whether issuers and services may be asked by plain HTTP, on a network that nobody else is on.",
  ),
  WALDIEZ_RUNNER_USE_OIDC_AUTH: isOn.describe(
    "Whether the one issuer of the next four is taken, too, as the Waldiez runner does.",
  ),
  WALDIEZ_RUNNER_OIDC_ISSUER_URL: z.url().optional().describe("Its URL."),
  WALDIEZ_RUNNER_OIDC_AUDIENCE: z
    .string()
    .optional()
    .describe("The audience that its tokens have to be for."),
  WALDIEZ_RUNNER_OIDC_JWKS_URL: z
    .url()
    .optional()
    .describe("Where its keys are; unset, where its metadata says."),
  WALDIEZ_RUNNER_OIDC_JWKS_CACHE_TTL: z.coerce
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(900)
    .describe("How long its keys are kept, in seconds."),
  WALDIEZ_RUNNER_ENABLE_EXTERNAL_AUTH: isOn.describe("Whether the service of the next two is asked, too."),
  WALDIEZ_RUNNER_EXTERNAL_AUTH_VERIFY_URL: z.url().optional().describe("As `EXTERNAL_AUTH_VERIFY_URL`."),
  WALDIEZ_RUNNER_EXTERNAL_AUTH_SECRET: secret.optional().describe("As `EXTERNAL_AUTH_SECRET`."),
};

type Variables = z.output<z.ZodObject<typeof federationVariables>>;

/** What the variables say. Throws ConfigError with all faults that only show between them. */
export function federationSettings(read: Variables): FederationSettings {
  const issuers = [...(read.OIDC_ISSUERS ?? []), ...runnersIssuer(read)];
  const verifyHook = verifyHookOf(read);
  const urls = [
    ...issuers.flatMap(({ issuer, keysUrl }) => [issuer, ...(keysUrl === undefined ? [] : [keysUrl])]),
    ...(verifyHook === undefined ? [] : [verifyHook.url]),
  ];
  const faults = [
    ...repeated(issuers.map(({ issuer }) => issuer)).map(
      (url) => `OIDC_ISSUERS: the issuer ${url} is named twice`,
    ),
    ...repeated(issuers.map(({ name }) => name)).map(
      (name) => `OIDC_ISSUERS: two issuers have the name ${name}; give each a "name" of its own`,
    ),
    ...urls
      .filter((url) => !read.FEDERATION_ALLOW_HTTP && !isSecureUrl(url))
      .map(
        (url) => `${new URL(url).host}: tokens are sent by https only, unless FEDERATION_ALLOW_HTTP is set`,
      ),
  ];
  if (faults.length > 0) throw new ConfigError(faults);
  return { issuers, verifyHook };
}

/** The runner's one issuer; a subject of it must be registered as a client, as it was there. */
function runnersIssuer(read: Variables): Issuer[] {
  if (!read.WALDIEZ_RUNNER_USE_OIDC_AUTH) return [];
  const { WALDIEZ_RUNNER_OIDC_ISSUER_URL: issuer, WALDIEZ_RUNNER_OIDC_AUDIENCE: audience } = read;
  if (issuer === undefined || audience === undefined) {
    throw new ConfigError([
      "WALDIEZ_RUNNER_USE_OIDC_AUTH: WALDIEZ_RUNNER_OIDC_ISSUER_URL and WALDIEZ_RUNNER_OIDC_AUDIENCE are required with it",
    ]);
  }
  return [
    issuerEntry.parse({
      issuer,
      audience,
      jwks_cache_seconds: read.WALDIEZ_RUNNER_OIDC_JWKS_CACHE_TTL,
      ...(read.WALDIEZ_RUNNER_OIDC_JWKS_URL && { jwks_url: read.WALDIEZ_RUNNER_OIDC_JWKS_URL }),
    }),
  ];
}

function verifyHookOf(read: Variables): VerifyHookSettings | undefined {
  if (read.EXTERNAL_AUTH_VERIFY_URL !== undefined) {
    return { url: read.EXTERNAL_AUTH_VERIFY_URL, secret: read.EXTERNAL_AUTH_SECRET };
  }
  const url = read.WALDIEZ_RUNNER_EXTERNAL_AUTH_VERIFY_URL;
  if (!read.WALDIEZ_RUNNER_ENABLE_EXTERNAL_AUTH || url === undefined) return undefined;
  return { url, secret: read.WALDIEZ_RUNNER_EXTERNAL_AUTH_SECRET };
}

function repeated(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
