import { z } from "zod";
import { ConfigError, milliseconds, port, readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { longestAccessTokenMs } from "./access-token.ts";
import type { PresetClient } from "./bootstrap-clients.ts";
import type { Audience } from "./client.ts";
import { type FederationSettings, federationSettings, federationVariables } from "./federation/settings.ts";
import { isStandIn } from "./federation/stand-in.ts";

/** How auth works. */
export interface AuthSettings {
  /** How long an access token is good. */
  readonly accessTokenMs: number;
  /** How long a refresh token is good. */
  readonly refreshTokenMs: number;
  /** At which age a signing key is replaced. */
  readonly signingKeyMs: number;
  /** Clients that exist because the operator says so. */
  readonly presets: readonly PresetClient[];
  /** Whose tokens are taken besides ours. */
  readonly federation: FederationSettings;
}

/** What the process needs besides auth itself. */
export interface AuthConfig {
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  readonly secretKey: Secret;
  readonly settings: AuthSettings;
}

/** The variables that preset a client, before `_CLIENT_ID` and `_CLIENT_SECRET`. */
const presetAudience = {
  ANTIPHON_LOCAL: "clients-api",
  ANTIPHON_WORKER: "workers-api",
  ANTIPHON_TASKS: "tasks-api",
} as const satisfies Readonly<Record<string, Audience>>;

const presetId = z
  .string()
  .max(200, "has more than 200 characters")
  .refine((clientId) => !isStandIn(clientId), "begins as the ids that stand for users of other issuers do")
  .optional();
const presetSecret = secret.optional();

const dayMs = 24 * 3_600_000;

const settingsVariables = {
  ...federationVariables,
  ACCESS_TOKEN_MS: milliseconds
    .min(60_000)
    .max(longestAccessTokenMs)
    .default(3_600_000)
    .describe("How long an access token is good."),
  REFRESH_TOKEN_MS: milliseconds
    .min(60_000)
    .max(90 * dayMs)
    .default(dayMs)
    .describe("How long a refresh token is good; it is good once."),
  SIGNING_KEY_MS: milliseconds
    .min(2 * dayMs)
    .max(3_650 * dayMs)
    .default(30 * dayMs)
    // Longer than a key needs to become known and to be forgotten.
    .describe("How long tokens are signed with a key before the next one follows."),
  ANTIPHON_LOCAL_CLIENT_ID: presetId.describe("A client for `clients-api` that exists because you say so."),
  ANTIPHON_LOCAL_CLIENT_SECRET: presetSecret.describe("Its secret."),
  ANTIPHON_WORKER_CLIENT_ID: presetId.describe("The same, for `workers-api`."),
  ANTIPHON_WORKER_CLIENT_SECRET: presetSecret.describe("Its secret."),
  ANTIPHON_TASKS_CLIENT_ID: presetId.describe("The same, for `tasks-api`."),
  ANTIPHON_TASKS_CLIENT_SECRET: presetSecret.describe("Its secret."),
};

/** Every variable that the process reads. */
export const authVariables = {
  ...settingsVariables,
  AUTH_HOST: z.string().min(1).default("127.0.0.1").describe("The address that it listens at."),
  AUTH_PORT: port.default(7_001).describe("The port that it listens at."),
  DATABASE_URL: z
    .string()
    .min(1)
    .describe("The Postgres that holds everything, as `postgres://user:password@host:port/name`."),
  ANTIPHON_SECRET_KEY: secret.describe(
    "The installation's secret, the same for auth, scheduler and taskio: seals what is stored and signs calls between services.",
  ),
};

/** Reads how auth works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): AuthSettings {
  const read = readEnv(settingsVariables, env);
  return {
    accessTokenMs: read.ACCESS_TOKEN_MS,
    refreshTokenMs: read.REFRESH_TOKEN_MS,
    signingKeyMs: read.SIGNING_KEY_MS,
    presets: presetsOf(read),
    federation: federationSettings(read),
  };
}

/** Reads everything that the auth process is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): AuthConfig {
  const read = readEnv(authVariables, env);
  return {
    host: read.AUTH_HOST,
    port: read.AUTH_PORT,
    databaseUrl: read.DATABASE_URL,
    secretKey: read.ANTIPHON_SECRET_KEY,
    settings: readSettings(env),
  };
}

type PresetVariables = {
  readonly [Name in keyof typeof presetAudience as `${Name}_CLIENT_ID`]?: string | undefined;
} & {
  readonly [Name in keyof typeof presetAudience as `${Name}_CLIENT_SECRET`]?: Secret | undefined;
};

function presetsOf(read: PresetVariables): PresetClient[] {
  const presets: PresetClient[] = [];
  const faults: string[] = [];
  for (const name of Object.keys(presetAudience) as (keyof typeof presetAudience)[]) {
    const clientId = read[`${name}_CLIENT_ID`];
    const clientSecret = read[`${name}_CLIENT_SECRET`]?.();
    if (clientId !== undefined && clientSecret !== undefined) {
      if (clientSecret.length > 200) faults.push(`${name}_CLIENT_SECRET: has more than 200 characters`);
      presets.push({ clientId, clientSecret, audience: presetAudience[name] });
    } else if (clientId !== undefined || clientSecret !== undefined) {
      faults.push(`${name}_CLIENT_ID, ${name}_CLIENT_SECRET: one is set without the other`);
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return presets;
}
