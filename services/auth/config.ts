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
  WALDIEZ_RUNNER_LOCAL: "clients-api",
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

const settingsSchema = {
  ...federationVariables,
  /** How long an access token is good. What is taken back is remembered for as long as the longest. */
  ACCESS_TOKEN_MS: milliseconds.min(60_000).max(longestAccessTokenMs).default(3_600_000),
  REFRESH_TOKEN_MS: milliseconds
    .min(60_000)
    .max(90 * dayMs)
    .default(dayMs),
  /** Longer than a key needs to become known and to be forgotten. */
  SIGNING_KEY_MS: milliseconds
    .min(2 * dayMs)
    .max(3_650 * dayMs)
    .default(30 * dayMs),
  ANTIPHON_LOCAL_CLIENT_ID: presetId,
  ANTIPHON_LOCAL_CLIENT_SECRET: presetSecret,
  WALDIEZ_RUNNER_LOCAL_CLIENT_ID: presetId,
  WALDIEZ_RUNNER_LOCAL_CLIENT_SECRET: presetSecret,
  ANTIPHON_WORKER_CLIENT_ID: presetId,
  ANTIPHON_WORKER_CLIENT_SECRET: presetSecret,
  ANTIPHON_TASKS_CLIENT_ID: presetId,
  ANTIPHON_TASKS_CLIENT_SECRET: presetSecret,
};

const schema = {
  ...settingsSchema,
  AUTH_HOST: z.string().min(1).default("127.0.0.1"),
  AUTH_PORT: port.default(7_001),
  DATABASE_URL: z.string().min(1),
  ANTIPHON_SECRET_KEY: secret,
};

/** Reads how auth works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): AuthSettings {
  const read = readEnv(settingsSchema, env);
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
  const read = readEnv(schema, env);
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
