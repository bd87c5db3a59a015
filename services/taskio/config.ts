import { z } from "zod";
import { milliseconds, port, readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { localRedis, redisUrlOf, redisVariables } from "../../lib/config/redis-address.ts";
import type { Bounds } from "./recent-entries.ts";

/** How taskio works. */
export interface TaskIOSettings {
  /** How long entries that the broker lost may still come, once their attempt is over. */
  readonly lostAfterMs: number;
  /** How often all transcripts in the broker are looked through. */
  readonly scanMs: number;
  /** After this long without news a watcher gets a sign of life. */
  readonly heartbeatMs: number;
  /** How far a watcher may fall behind before it is dropped. */
  readonly behind: Bounds;
}

/** What the process needs besides taskio itself. */
export interface TaskIOConfig {
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly schedulerUrl: string;
  readonly authUrl: string;
  readonly secretKey: Secret;
  readonly settings: TaskIOSettings;
}

const settingsVariables = {
  TASKIO_LOST_AFTER_MS: milliseconds
    .default(10_000)
    .describe(
      "How long entries that worker and broker may both have lost are waited for before the transcript says so.",
    ),
  TASKIO_SCAN_MS: milliseconds
    .min(1_000)
    .default(60_000)
    .describe("How often transcripts are looked through for which a wake was lost."),
  TASKIO_HEARTBEAT_MS: milliseconds
    .min(1)
    .max(15_000)
    .default(15_000)
    .describe("After how long without news a watcher gets a sign of life; callers count on 15 s at most."),
  TASKIO_BEHIND_ENTRIES: z.coerce
    .number()
    .int()
    .min(1)
    .default(8_192)
    .describe("How many entries a watcher may fall behind before it is dropped."),
  TASKIO_BEHIND_BYTES: z.coerce
    .number()
    .int()
    .min(1)
    .default(16_777_216)
    .describe("And how many bytes: what one watched task may take of memory."),
};

/** Every variable that the process reads. */
export const taskioVariables = {
  ...settingsVariables,
  TASKIO_HOST: z.string().min(1).default("127.0.0.1").describe("The address that it listens at."),
  TASKIO_PORT: port.default(7_003).describe("The port that it listens at."),
  DATABASE_URL: z
    .string()
    .min(1)
    .describe("The Postgres that holds everything, as `postgres://user:password@host:port/name`."),
  ...redisVariables,
  SCHEDULER_URL: z.url().describe("Where the scheduler is, as `http://host:port`."),
  AUTH_URL: z.url().describe("Where auth is."),
  ANTIPHON_SECRET_KEY: secret.describe(
    "The installation's secret, the same for auth, scheduler and taskio: seals what is stored and signs calls between services.",
  ),
};

/** Reads how taskio works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): TaskIOSettings {
  const read = readEnv(settingsVariables, env);
  return {
    lostAfterMs: read.TASKIO_LOST_AFTER_MS,
    scanMs: read.TASKIO_SCAN_MS,
    heartbeatMs: read.TASKIO_HEARTBEAT_MS,
    behind: { entries: read.TASKIO_BEHIND_ENTRIES, bytes: read.TASKIO_BEHIND_BYTES },
  };
}

/** Reads everything that the taskio process is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): TaskIOConfig {
  const read = readEnv(taskioVariables, env);
  return {
    host: read.TASKIO_HOST,
    port: read.TASKIO_PORT,
    databaseUrl: read.DATABASE_URL,
    redisUrl: redisUrlOf(read) ?? localRedis,
    schedulerUrl: read.SCHEDULER_URL,
    authUrl: read.AUTH_URL,
    secretKey: read.ANTIPHON_SECRET_KEY,
    settings: readSettings(env),
  };
}
