import { z } from "zod";
import { ConfigError, milliseconds, port, readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { environmentKind } from "../../lib/config/environment-kind.ts";
import { isSecureUrl } from "../../lib/http/is-secure-url.ts";
import type { CertificateFiles } from "../../lib/rpc/certificates.ts";
import type { EdgeSettings } from "./edge/edge.ts";
import { certificateFilesOf, edgeSettingsOf, edgeVariables } from "./edge/edge-variables.ts";
import type { TokenlessSettings } from "./http/local-caller.ts";
import type { WaldiezSettings } from "./routes/waldiez/waldiez-needs.ts";
import { waldiezSettingsOf, waldiezVariables } from "./routes/waldiez/waldiez-variables.ts";
import type { TaskPermissionSettings } from "./task-permission.ts";

/** How the gateway works. */
export interface GatewaySettings {
  /** By which URL the world knows this server, without a slash behind it; undefined when nobody said. */
  readonly publicUrl: string | undefined;
  readonly taskPermission: TaskPermissionSettings | undefined;
  /** What the paths of seed 004's routes and of the documentation begin with: `/api`. Not empty, and without a slash behind it. */
  readonly apiPrefix: string;
  readonly workflowRoutes: TokenlessSettings;
  /** Whether the routes are described, for programs and for people. */
  readonly areDocsShown: boolean;
  readonly waldiez: WaldiezSettings;
}

/** What the port of the gateway is told. */
export interface PortSettings {
  readonly edge: EdgeSettings;
  /** Undefined: without TLS. */
  readonly tls: CertificateFiles | undefined;
}

/** What the process is told. */
export interface GatewayConfig extends PortSettings {
  readonly host: string;
  readonly port: number;
  readonly authUrl: string;
  readonly schedulerUrl: string;
  readonly taskioUrl: string;
  /** What calls get to end by themselves when the process is told to stop. */
  readonly shutdownGraceMs: number;
  /** The client that calls without a token are made as; undefined: there are none. */
  readonly localClient: { readonly clientId: string; readonly clientSecret: Secret } | undefined;
  readonly settings: GatewaySettings;
}

const settingsSchema = {
  /** What OAuth clients know this server by, and what tokens name as their issuer. */
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  TASK_PERMISSION_VERIFY_URL: z.url().optional(),
  TASK_PERMISSION_SECRET: secret.optional(),
  WALDIEZ_RUNNER_TASK_PERMISSION_VERIFY_URL: z.url().optional(),
  WALDIEZ_RUNNER_TASK_PERMISSION_SECRET: secret.optional(),
  /** Whether services of the operator's may be asked by plain HTTP. */
  FEDERATION_ALLOW_HTTP: z.stringbool().default(false),
  /** What the paths of seed 004's routes begin with. Seed 003's are at the root. */
  API_STR: z
    .string()
    .default("/api")
    .transform((prefix) => prefix.replace(/\/+$/, ""))
    .refine((prefix) => prefix !== "", "may not be the root, where the other workflow routes are")
    .refine((prefix) => /^(\/[\w.~-]+)*$/.test(prefix), "is not a path such as /api"),
  /** Whether the workflow routes answer without a token to whoever reaches them, and not only, where nothing is in production, to this machine. */
  OPEN_WORKFLOW_ROUTES: z.stringbool().default(false),
  ENVIRONMENT: environmentKind,
  /** Whether `API_STR/openapi.json` and `API_STR/docs` are there. */
  API_ENABLE_DOCS: z.stringbool().default(true),
  ...waldiezVariables,
};

const schema = {
  ...settingsSchema,
  ...edgeVariables,
  /** The seeds' names go first; loopback unless said otherwise. */
  API_HOST: z.string().min(1).optional(),
  API_PORT: port.optional(),
  GATEWAY_HOST: z.string().min(1).default("127.0.0.1"),
  GATEWAY_PORT: port.default(8_000),
  /** Where the services behind are, as `http://host:port`. */
  AUTH_URL: z.url(),
  SCHEDULER_URL: z.url(),
  TASKIO_URL: z.url(),
  /** A client for tasks-api, which calls of the workflow routes without a token are made as. */
  ANTIPHON_TASKS_CLIENT_ID: z.string().min(1).optional(),
  ANTIPHON_TASKS_CLIENT_SECRET: secret.optional(),
  SHUTDOWN_GRACE_MS: milliseconds.default(5_000),
};

/** Reads how the gateway works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): GatewaySettings {
  const read = readEnv(settingsSchema, env);
  return {
    publicUrl: read.PUBLIC_URL?.replace(/\/$/, ""),
    taskPermission: taskPermissionOf(read),
    apiPrefix: read.API_STR,
    areDocsShown: read.API_ENABLE_DOCS,
    workflowRoutes: {
      areOpen: read.OPEN_WORKFLOW_ROUTES,
      areOpenOnLoopback: read.ENVIRONMENT === "development",
    },
    waldiez: waldiezSettingsOf(read),
  };
}

/** Reads what stands before every request from an environment. Throws ConfigError with all faults. */
export function readPortSettings(env: NodeJS.ProcessEnv): PortSettings {
  const read = readEnv(edgeVariables, env);
  return { edge: edgeSettingsOf(read), tls: certificateFilesOf(read) };
}

/** Reads everything that the gateway process is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): GatewayConfig {
  const read = readEnv(schema, env);
  return {
    host: read.API_HOST ?? read.GATEWAY_HOST,
    port: read.API_PORT ?? read.GATEWAY_PORT,
    authUrl: read.AUTH_URL,
    schedulerUrl: read.SCHEDULER_URL,
    taskioUrl: read.TASKIO_URL,
    shutdownGraceMs: read.SHUTDOWN_GRACE_MS,
    localClient: localClientOf(read),
    settings: readSettings(env),
    ...readPortSettings(env),
  };
}

function localClientOf({
  ANTIPHON_TASKS_CLIENT_ID: clientId,
  ANTIPHON_TASKS_CLIENT_SECRET: clientSecret,
  OPEN_WORKFLOW_ROUTES: areOpen,
}: z.output<z.ZodObject<typeof schema>>): GatewayConfig["localClient"] {
  if (clientId !== undefined && clientSecret !== undefined) return { clientId, clientSecret };
  if (clientId === undefined && clientSecret === undefined && !areOpen) return undefined;
  throw new ConfigError([
    "ANTIPHON_TASKS_CLIENT_ID, ANTIPHON_TASKS_CLIENT_SECRET: both are required when one is set, and with OPEN_WORKFLOW_ROUTES",
  ]);
}

function taskPermissionOf(
  read: z.output<z.ZodObject<typeof settingsSchema>>,
): TaskPermissionSettings | undefined {
  const url = read.TASK_PERMISSION_VERIFY_URL ?? read.WALDIEZ_RUNNER_TASK_PERMISSION_VERIFY_URL;
  if (url === undefined) return undefined;
  if (!read.FEDERATION_ALLOW_HTTP && !isSecureUrl(url)) {
    throw new ConfigError([
      "TASK_PERMISSION_VERIFY_URL: it is asked by https only, unless FEDERATION_ALLOW_HTTP is set",
    ]);
  }
  const secret = read.TASK_PERMISSION_SECRET ?? read.WALDIEZ_RUNNER_TASK_PERMISSION_SECRET;
  return { url, secret };
}
