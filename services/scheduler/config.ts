import { z } from "zod";
import { milliseconds, port, readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { localRedis, redisUrlOf, redisVariables } from "../../lib/config/redis-address.ts";
import { defaultWorkStream } from "../../lib/streams/work-stream.ts";

/** How the scheduler works. */
export interface SchedulerSettings {
  /** How long a worker may be silent before its attempts are handed out again. */
  readonly leaseMs: number;
  /** How often workers are asked to send a heartbeat. */
  readonly heartbeatMs: number;
  /** How long a replica may be silent before others take its partitions. */
  readonly replicaLeaseMs: number;
  readonly workStream: string;
  /** How long runs are kept after their end; 0 is for ever. */
  readonly retentionMs: number;
}

/** What the process needs besides the scheduler itself. */
export interface SchedulerConfig {
  readonly host: string;
  readonly port: number;
  /** Where other replicas reach this one; empty when it is the only one. */
  readonly address: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly authUrl: string;
  readonly taskioUrl: string;
  readonly secretKey: Secret;
  /** Where artifacts are kept; shared by all replicas. */
  readonly storageDirectory: string;
  readonly settings: SchedulerSettings;
}

const settingsVariables = {
  LEASE_MS: milliseconds
    .min(10_000)
    .default(30_000)
    // Well above the margin by which a worker gives up.
    .describe(
      "How long a worker may be silent before its attempts are handed out again. Longer than Postgres takes to fail over, or every worker is taken for dead by one that does.",
    ),
  HEARTBEAT_MS: milliseconds
    .min(100)
    .default(3_000)
    .describe("How often workers are asked to send a heartbeat."),
  REPLICA_LEASE_MS: milliseconds
    .min(3_000)
    .default(10_000)
    .describe("How long a replica may be silent before others take its partitions."),
  WORKER_STREAM: z
    .string()
    .min(1)
    .default(defaultWorkStream)
    .describe("The stream by which workers get their work; the same for schedulers and workers."),
  RUN_RETENTION_MS: milliseconds
    .max(3_155_760_000_000)
    // So little that nobody could read what a run gave is a slip.
    .refine((ms) => ms === 0 || ms >= 60_000, "is neither 0 nor 60000 at least")
    .default(2_592_000_000)
    .describe("How long runs are kept after their end ([retention](retention.md)); 0 is for ever."),
};

/** Every variable that the process reads. */
export const schedulerVariables = {
  ...settingsVariables,
  SCHEDULER_HOST: z.string().min(1).default("127.0.0.1").describe("The address that it listens at."),
  SCHEDULER_PORT: port.default(7_002).describe("The port that it listens at."),
  SCHEDULER_ADDRESS: z
    .union([z.url(), z.literal("")])
    .default("")
    .describe("Where other replicas reach this one, each at an address of its own; empty for the only one."),
  DATABASE_URL: z
    .string()
    .min(1)
    .describe("The Postgres that holds everything, as `postgres://user:password@host:port/name`."),
  ...redisVariables,
  AUTH_URL: z.url().describe("Where auth is, as `http://host:port`."),
  TASKIO_URL: z.url().describe("Where taskio is."),
  ANTIPHON_SECRET_KEY: secret.describe(
    "The installation's secret, the same for auth, scheduler and taskio: seals what is stored and signs calls between services.",
  ),
  STORAGE_DIR: z
    .string()
    .startsWith("/")
    .describe("Where files are kept; one folder that all replicas share."),
};

/** Reads how the scheduler works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): SchedulerSettings {
  const read = readEnv(settingsVariables, env);
  return {
    leaseMs: read.LEASE_MS,
    heartbeatMs: read.HEARTBEAT_MS,
    replicaLeaseMs: read.REPLICA_LEASE_MS,
    workStream: read.WORKER_STREAM,
    retentionMs: read.RUN_RETENTION_MS,
  };
}

/** Reads everything that the scheduler's process is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): SchedulerConfig {
  const read = readEnv(schedulerVariables, env);
  return {
    host: read.SCHEDULER_HOST,
    port: read.SCHEDULER_PORT,
    address: read.SCHEDULER_ADDRESS,
    databaseUrl: read.DATABASE_URL,
    redisUrl: redisUrlOf(read) ?? localRedis,
    authUrl: read.AUTH_URL,
    taskioUrl: read.TASKIO_URL,
    secretKey: read.ANTIPHON_SECRET_KEY,
    storageDirectory: read.STORAGE_DIR,
    settings: readSettings(env),
  };
}
