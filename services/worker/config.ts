import { availableParallelism, hostname } from "node:os";
import { z } from "zod";
import { ConfigError, readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { localRedis, redisUrlOf, redisVariables } from "../../lib/config/redis-address.ts";
import { allowedHosts } from "../../lib/outbound/allowed-host.ts";
import { defaultWorkGroup, defaultWorkStream } from "../../lib/streams/work-stream.ts";
import { defaultProgramFolder, type IsolationOptions } from "./isolation.ts";
import type { CallSettings, WorkerSettings } from "./worker.ts";

/** How a worker is set up, in whatever process it runs. */
export interface WorkerConfig {
  readonly settings: WorkerSettings;
  readonly isolation: IsolationOptions;
  readonly calls: CallSettings;
}

const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** The form of a queue's name, and of a label's name and value. */
const nameForm = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** More would make too many streams: one for each queue and each part of the labels. */
const maxQueues = 8;
const maxLabels = 4;

function queuesOf(list: string, context: z.RefinementCtx): string[] {
  const names = [...new Set(list.split(",").map((entry) => entry.trim()))];
  if (names.length <= maxQueues && names.every((name) => nameForm.test(name))) {
    return names.map((name) => (name === "default" ? "" : name));
  }
  const message = `is not a list of 1 to ${maxQueues} names of the form ${nameForm.source}`;
  context.addIssue({ code: "custom", message });
  return [];
}

function labelsOf(list: string, context: z.RefinementCtx): Record<string, string> {
  const pairs = list.split(",").flatMap((entry) => (entry.trim() === "" ? [] : [entry.trim().split("=")]));
  if (
    pairs.length <= maxLabels &&
    pairs.every((pair) => pair.length === 2 && pair.every((text) => nameForm.test(text)))
  ) {
    return Object.fromEntries(pairs) as Record<string, string>;
  }
  context.addIssue({ code: "custom", message: `is not a list of at most ${maxLabels} labels name=value` });
  return {};
}

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
  /** The queues that it serves, with commas between them; `default` is the one of tasks that name none. */
  WORKER_QUEUES: z.string().default("default").transform(queuesOf),
  /** What tasks may ask of it, as `name=value` with commas between; at most 4. */
  WORKER_LABELS: z.string().default("").transform(labelsOf),
  /** How many tasks without a program are carried out at once: they wait more than they compute. */
  WORKER_SLOTS: count(1, 8_000).default(256),
  /** How many calls of others are under way at once; 0 offers none. They hardly compute, but each may hold a response of 1 MiB. */
  CALL_SLOTS: count(0, 1_000).default(128),
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
  /** What `call_external_service` may reach although it is not public. */
  HTTP_ALLOWED_HOSTS: allowedHosts.default([]),
  /** Where language models answer, up to and without `/chat/completions`; trusted, so it may be local. */
  LLM_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  LLM_API_KEY: secret.optional(),
  /** For nodes that name no model. */
  LLM_MODEL: z.string().min(1).optional(),
  /** How long an answer may take. */
  LLM_TIMEOUT_MS: count(1, 3_600_000).default(120_000),
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
      queues: read.WORKER_QUEUES,
      labels: read.WORKER_LABELS,
      slots: read.WORKER_SLOTS,
      callSlots: read.CALL_SLOTS,
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
    calls: {
      allowedHosts: read.HTTP_ALLOWED_HOSTS,
      llm: llmSettingsOf(read),
    },
  };
}

function llmSettingsOf(read: {
  readonly LLM_BASE_URL?: string | undefined;
  readonly LLM_API_KEY?: Secret | undefined;
  readonly LLM_MODEL?: string | undefined;
  readonly LLM_TIMEOUT_MS: number;
}): CallSettings["llm"] {
  const { LLM_BASE_URL: baseUrl, LLM_API_KEY: apiKey, LLM_MODEL: model, LLM_TIMEOUT_MS: timeoutMs } = read;
  if (baseUrl !== undefined) return { baseUrl, apiKey, model, timeoutMs };
  // Which endpoint a key is for is never guessed.
  if (apiKey !== undefined) throw new ConfigError(["LLM_BASE_URL: is required with LLM_API_KEY"]);
  return undefined;
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
