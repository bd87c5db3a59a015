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

const settingsVariables = {
  WORKER_NAME: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/)
    .default(
      `worker-${hostname()
        .replaceAll(/[^A-Za-z0-9._-]/g, "-")
        .slice(0, 90)}`,
    )
    .meta({
      description: "Names the worker in lists and streams; stable over restarts, and unique.",
      shownDefault: "worker-HOSTNAME; `local` by `npm start`",
    }),
  WORKER_STREAM: z
    .string()
    .min(1)
    .default(defaultWorkStream)
    .describe("The stream by which workers get their work; the same for schedulers and workers."),
  WORKER_GROUP: z.string().min(1).default(defaultWorkGroup).describe("The group that takes it."),
  WORKER_QUEUES: z
    .string()
    .default("default")
    .transform(queuesOf)
    .describe(
      "The queues that it serves, with commas between them, at most 8; `default` is the one of tasks that name none.",
    ),
  WORKER_LABELS: z
    .string()
    .default("")
    .transform(labelsOf)
    .describe("What tasks may ask of it, as `name=value` with commas between; at most 4."),
  WORKER_SLOTS: count(1, 8_000)
    .default(256)
    // They wait more than they compute.
    .describe("How many tasks without a program it carries out at once."),
  CALL_SLOTS: count(0, 1_000)
    .default(128)
    // They hardly compute, but each may hold a response of 1 MiB.
    .describe("How many calls of others (HTTP, language models) are under way at once; 0 offers none."),
  PROGRAM_SLOTS: count(0, 1_000)
    .default(availableParallelism() * 2)
    .meta({
      description:
        "How many programs run at once; 0 offers none. One may keep a core busy and hold 2 GiB, but mostly waits.",
      shownDefault: "twice the cores",
    }),
  SANDBOX: z
    .enum(["bubblewrap", "process"])
    .default("bubblewrap")
    .describe(
      "How programs are isolated: `bubblewrap`, or `process`, which isolates hardly anything and is for trusted code.",
    ),
  ALLOW_UNSAFE_PROCESS: z.stringbool().default(false).describe("Allows `SANDBOX=process`."),
  PROGRAM_DIRECTORY: z.string().startsWith("/").default(defaultProgramFolder()).meta({
    description:
      "Where environments and programs' folders lie: a local folder that, for a worker that is root, every uid may traverse.",
    shownDefault: "/var/lib/antiphon as root, else ~/.cache/antiphon",
  }),
  PROGRAM_PYTHON: z
    .string()
    .startsWith("/")
    .optional()
    .describe("The Python for programs; the system's when unset."),
  ENVIRONMENT_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(20e9)
    .describe("What all environments may take together, in bytes."),
  HTTP_ALLOWED_HOSTS: allowedHosts
    .default([])
    .describe(
      "What `call_external_service` may reach although it is not public: hosts, `host:port` and `address/prefix`, with commas.",
    ),
  LLM_BASE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      "Where language models answer, up to and without `/chat/completions`; trusted, so it may be local. Without it `llm` nodes fail, but by `npm start`, where an echo answers.",
    ),
  LLM_API_KEY: secret.optional().describe("The key for it."),
  LLM_MODEL: z.string().min(1).optional().describe("The model of nodes that name none."),
  LLM_TIMEOUT_MS: count(1, 3_600_000).default(120_000).describe("How long an answer of a model may take."),
  WORKER_DRAIN_MS: count(0, 3_600_000)
    .default(2_000)
    .describe("How long a worker that is stopped waits for what it holds before it ends it."),
};

/** Reads what a worker is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): WorkerConfig {
  const read = readEnv(settingsVariables, env);
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

const connectionVariables = {
  ...redisVariables,
  SCHEDULER_URL: z.url().describe("Where the scheduler is, as `http://host:port`."),
  AUTH_URL: z.url().describe("Where auth is."),
  ANTIPHON_WORKER_CLIENT_ID: z.string().min(1).describe("The client for `workers-api` that it is."),
  ANTIPHON_WORKER_CLIENT_SECRET: secret.describe("Its secret."),
};

/** Every variable that the process reads. */
export const workerVariables = { ...settingsVariables, ...connectionVariables };

/** Reads what the process is told of its surroundings. Throws ConfigError with all faults. */
export function readConnectionConfig(env: NodeJS.ProcessEnv): ConnectionConfig {
  const read = readEnv(connectionVariables, env);
  return {
    redisUrl: redisUrlOf(read) ?? localRedis,
    schedulerUrl: read.SCHEDULER_URL,
    authUrl: read.AUTH_URL,
    clientId: read.ANTIPHON_WORKER_CLIENT_ID,
    clientSecret: read.ANTIPHON_WORKER_CLIENT_SECRET,
  };
}
