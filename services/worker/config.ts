import { availableParallelism, hostname } from "node:os";
import { z } from "zod";
import { readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { localRedis, redisUrlOf, redisVariables } from "../../lib/config/redis-address.ts";
import { defaultWorkGroup, defaultWorkStream } from "../../lib/streams/work-stream.ts";
import { defaultProgramFolder, type IsolationOptions } from "./isolation.ts";
import type { WorkerSettings } from "./worker.ts";

/** How a worker is set up, in whatever process it runs. */
export interface WorkerConfig {
  readonly settings: WorkerSettings;
  readonly isolation: IsolationOptions;
}

const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const schema = {
  /** Names the worker in lists and streams; stable over restarts, and unique. */
  WORKER_NAME: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/)
    .default(
      `worker-${hostname()
        .replaceAll(/[^A-Za-z0-9._-]/g, "-")
        .slice(0, 90)}`,
    ),
  /** The stream that work is taken from, and the group that takes it. */
  WORKER_STREAM: z.string().min(1).default(defaultWorkStream),
  WORKER_GROUP: z.string().min(1).default(defaultWorkGroup),
  /** How many tasks without a program are carried out at once: they wait more than they compute. */
  WORKER_SLOTS: count(1, 9_000).default(256),
  /** How many programs run at once; 0 offers none. A program may keep a core busy and hold 2 GiB, but mostly waits. */
  PROGRAM_SLOTS: count(0, 1_000).default(availableParallelism() * 2),
  /** How programs are isolated; `process` isolates hardly anything and is for trusted code. */
  SANDBOX: z.enum(["bubblewrap", "process"]).default("bubblewrap"),
  /** Allows SANDBOX=process. */
  ALLOW_UNSAFE_PROCESS: z.stringbool().default(false),
  /** Where programs' environments and folders lie; as root every uid must be able to traverse it. */
  PROGRAM_DIRECTORY: z.string().startsWith("/").default(defaultProgramFolder()),
  /** The Python for programs; the system's when unset. */
  PROGRAM_PYTHON: z.string().startsWith("/").optional(),
  /** What environments may take together, in bytes. */
  ENVIRONMENT_BYTES: z.coerce.number().int().positive().default(20e9),
  /** How long a worker that is stopped waits for what it holds before it ends it. */
  WORKER_DRAIN_MS: count(0, 3_600_000).default(2_000),
};

/** Reads what a worker is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): WorkerConfig {
  const read = readEnv(schema, env);
  return {
    settings: {
      workerId: read.WORKER_NAME,
      stream: read.WORKER_STREAM,
      group: read.WORKER_GROUP,
      slots: read.WORKER_SLOTS,
      programSlots: read.PROGRAM_SLOTS,
      drainMs: read.WORKER_DRAIN_MS,
    },
    isolation: {
      backend: read.SANDBOX,
      allowUnsafeProcess: read.ALLOW_UNSAFE_PROCESS,
      directory: read.PROGRAM_DIRECTORY,
      slots: read.PROGRAM_SLOTS,
      pythonPath: read.PROGRAM_PYTHON,
      environmentBytes: read.ENVIRONMENT_BYTES,
    },
  };
}

/** What a worker that is a process of its own has to reach besides. */
export interface ConnectionConfig {
  readonly redisUrl: string;
  readonly schedulerUrl: string;
  readonly authUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
}

const connectionSchema = {
  ...redisVariables,
  /** Where WorkerService and AuthService are served. */
  SCHEDULER_URL: z.url(),
  AUTH_URL: z.url(),
  /** A client with the audience `workers-api`. */
  ANTIPHON_WORKER_CLIENT_ID: z.string().min(1),
  ANTIPHON_WORKER_CLIENT_SECRET: secret,
};

/** Reads what the process is told of its surroundings. Throws ConfigError with all faults. */
export function readConnectionConfig(env: NodeJS.ProcessEnv): ConnectionConfig {
  const read = readEnv(connectionSchema, env);
  return {
    redisUrl: redisUrlOf(read) ?? localRedis,
    schedulerUrl: read.SCHEDULER_URL,
    authUrl: read.AUTH_URL,
    clientId: read.ANTIPHON_WORKER_CLIENT_ID,
    clientSecret: read.ANTIPHON_WORKER_CLIENT_SECRET,
  };
}
