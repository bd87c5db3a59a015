import { z } from "zod";
import { ConfigError } from "../../../lib/config/env.ts";
import type { CertificateFiles } from "../../../lib/rpc/certificates.ts";
import type { EdgeSettings } from "./edge.ts";
import { isOriginPattern } from "./origins.ts";

/** A list as pydantic reads it, in JSON, or separated by commas or, as seed 004 has it, by spaces. */
const list = z.string().transform((text, context): string[] => {
  const entries = text.trim().startsWith("[") ? parsed(text) : text.split(/[\s,]+/);
  const read = z.array(z.string()).safeParse(entries);
  if (!read.success) {
    context.addIssue({ code: "custom", message: "is neither a list in JSON nor one with commas or spaces" });
    return z.NEVER;
  }
  return read.data.map((entry) => entry.trim()).filter((entry) => entry !== "");
});

const origins = list.refine(
  (entries) => entries.every(isOrigin),
  "each must be * or an origin, as https://app.example.com",
);

const hosts = list.refine(
  (entries) => entries.every((entry) => /^(\*|(\*\.)?[\w-]+(\.[\w-]+)*|[\da-f:.]+)$/i.test(entry)),
  "each must be a name, *.name, an address or *, without a port",
);

const perSecond = z.coerce.number().min(0);
const burst = z.coerce.number().int().min(1);

/** The variables that say what stands before every request. */
export const edgeVariables = {
  /** Seed 004's name goes first. */
  BACKEND_CORS_ORIGINS: origins.optional(),
  WALDIEZ_RUNNER_TRUSTED_ORIGINS: origins.optional(),
  WALDIEZ_RUNNER_TRUSTED_ORIGIN_REGEX: z
    .string()
    .refine(isOriginPattern, "is not a regular expression as RE2 has them")
    .optional(),
  TRUSTED_HOSTS: hosts.optional(),
  WALDIEZ_RUNNER_TRUSTED_HOSTS: hosts.optional(),
  FORCE_SSL: z.stringbool().default(false),
  FORWARDED_FOR_HOPS: z.coerce.number().int().min(0).max(20).default(0),
  RATE_LIMIT_LOGINS_PER_SECOND: perSecond.default(20),
  RATE_LIMIT_LOGINS_BURST: burst.default(100),
  RATE_LIMIT_CHANGES_PER_SECOND: perSecond.default(2_000),
  RATE_LIMIT_CHANGES_BURST: burst.default(10_000),
  AUDIT_LOG: z.string().min(1).optional(),
  TLS_CERT: z.string().min(1).optional(),
  TLS_KEY: z.string().min(1).optional(),
  TLS_CLIENT_CA: z.string().min(1).optional(),
};

type EdgeEnvironment = z.output<z.ZodObject<typeof edgeVariables>>;

/** What these variables say of requests. */
export function edgeSettingsOf(read: EdgeEnvironment): EdgeSettings {
  return {
    origins: read.BACKEND_CORS_ORIGINS ?? read.WALDIEZ_RUNNER_TRUSTED_ORIGINS ?? [],
    pattern: read.WALDIEZ_RUNNER_TRUSTED_ORIGIN_REGEX,
    trustedHosts: read.TRUSTED_HOSTS ?? read.WALDIEZ_RUNNER_TRUSTED_HOSTS ?? [],
    forceSsl: read.FORCE_SSL,
    forwardedForHops: read.FORWARDED_FOR_HOPS,
    rateLimits: {
      logins: { perSecond: read.RATE_LIMIT_LOGINS_PER_SECOND, burst: read.RATE_LIMIT_LOGINS_BURST },
      changes: { perSecond: read.RATE_LIMIT_CHANGES_PER_SECOND, burst: read.RATE_LIMIT_CHANGES_BURST },
    },
    auditLog: read.AUDIT_LOG,
  };
}

/** Where the certificates are, undefined when the port is to speak no TLS. Throws ConfigError when some are missing. */
export function certificateFilesOf(read: EdgeEnvironment): CertificateFiles | undefined {
  const { TLS_CERT: certPath, TLS_KEY: keyPath, TLS_CLIENT_CA: clientCaPath } = read;
  if (certPath !== undefined && keyPath !== undefined) return { certPath, keyPath, clientCaPath };
  if (certPath === undefined && keyPath === undefined && clientCaPath === undefined) return undefined;
  throw new ConfigError(["TLS_CERT, TLS_KEY: both are required for TLS"]);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isOrigin(text: string): boolean {
  if (text === "*") return true;
  return URL.canParse(text) && new URL(text).origin.toLowerCase() === text.toLowerCase().replace(/\/$/, "");
}
