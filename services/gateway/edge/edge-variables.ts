import { z } from "zod";
import { ConfigError } from "../../../lib/config/env.ts";
import type { CertificateFiles } from "../../../lib/rpc/certificates.ts";
import { certificateFaults } from "./certificate-faults.ts";
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
  BACKEND_CORS_ORIGINS: origins
    .default([])
    .describe(
      "Whose pages may use this server from a browser: a list in JSON or with commas, as `https://app.example.com`; `*` is every one, then without what the browser keeps for us.",
    ),
  TRUSTED_ORIGIN_REGEX: z
    .string()
    .refine(isOriginPattern, "is not a regular expression as RE2 has them")
    .optional()
    .describe("The same, for origins that match it as a whole, in the syntax of RE2."),
  TRUSTED_HOSTS: hosts
    .default([])
    .describe(
      "The names that this server is known by, without ports; `*.example.com` is every name below, `*` any. Unset: any, but none besides this machine's own where it is bound to loopback.",
    ),
  FORCE_SSL: z
    .stringbool()
    .default(false)
    .describe(
      "Whether browsers are told never to ask without TLS again. With TLS of our own they always are.",
    ),
  FORWARDED_FOR_HOPS: z.coerce
    .number()
    .int()
    .min(0)
    .max(20)
    .default(0)
    .describe("How many proxies of the operator's stand before it, each of which adds to `X-Forwarded-For`."),
  RATE_LIMIT_LOGINS_PER_SECOND: perSecond
    .default(20)
    .describe(
      "How often credentials may be tried from one network in a second, in the long run; 0 is no limit.",
    ),
  RATE_LIMIT_LOGINS_BURST: burst.default(100).describe("And how often at once."),
  RATE_LIMIT_CLIENT_LOGINS_PER_SECOND: perSecond
    .default(200)
    .describe(
      "How often credentials of one client may be tried in a second, in the long run; 0 is no limit. It should be above that of one network, else whoever knows a client's id can keep it out.",
    ),
  RATE_LIMIT_CLIENT_LOGINS_BURST: burst.default(1_000).describe("And how often at once."),
  RATE_LIMIT_CHANGES_PER_SECOND: perSecond
    .default(2_000)
    .describe(
      "How many calls of one client may change something in a second, in the long run; 0 is no limit.",
    ),
  RATE_LIMIT_CHANGES_BURST: burst.default(10_000).describe("And how many at once."),
  RATE_LIMIT_ADDRESS_CHANGES_PER_SECOND: perSecond
    .default(4_000)
    .describe(
      "How many calls from one network may change something in a second, whatever their clients, in the long run; 0 is no limit.",
    ),
  RATE_LIMIT_ADDRESS_CHANGES_BURST: burst.default(20_000).describe("And how many at once."),
  AUDIT_LOG: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The file that takes down who changed what. Unset: `audit.log` in the data folder of `npm start`, else none.",
    ),
  TLS_CERT: z
    .string()
    .min(1)
    .optional()
    .describe("The certificate, with its chain, in PEM. It is read again when the file changes."),
  TLS_KEY: z.string().min(1).optional().describe("Its key, in PEM."),
  TLS_CLIENT_CA: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The authorities one of which must have signed every caller's certificate, in PEM. Unset: callers need none.",
    ),
};

type EdgeEnvironment = z.output<z.ZodObject<typeof edgeVariables>>;

/** What these variables say of requests. */
export function edgeSettingsOf(read: EdgeEnvironment): EdgeSettings {
  return {
    origins: read.BACKEND_CORS_ORIGINS,
    pattern: read.TRUSTED_ORIGIN_REGEX,
    trustedHosts: read.TRUSTED_HOSTS,
    forceSsl: read.FORCE_SSL,
    forwardedForHops: read.FORWARDED_FOR_HOPS,
    rateLimits: {
      logins: {
        perNetwork: { perSecond: read.RATE_LIMIT_LOGINS_PER_SECOND, burst: read.RATE_LIMIT_LOGINS_BURST },
        perClient: {
          perSecond: read.RATE_LIMIT_CLIENT_LOGINS_PER_SECOND,
          burst: read.RATE_LIMIT_CLIENT_LOGINS_BURST,
        },
      },
      changes: {
        perNetwork: {
          perSecond: read.RATE_LIMIT_ADDRESS_CHANGES_PER_SECOND,
          burst: read.RATE_LIMIT_ADDRESS_CHANGES_BURST,
        },
        perClient: { perSecond: read.RATE_LIMIT_CHANGES_PER_SECOND, burst: read.RATE_LIMIT_CHANGES_BURST },
      },
    },
    auditLog: read.AUDIT_LOG,
  };
}

/** Where the certificates are, undefined when the port is to speak no TLS. Throws ConfigError when some are missing or can not be used. */
export function certificateFilesOf(read: EdgeEnvironment): CertificateFiles | undefined {
  const { TLS_CERT: certPath, TLS_KEY: keyPath, TLS_CLIENT_CA: clientCaPath } = read;
  if (certPath !== undefined && keyPath !== undefined) {
    const files = { certPath, keyPath, clientCaPath };
    const faults = certificateFaults(files);
    if (faults.length > 0) throw new ConfigError(faults);
    return files;
  }
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
