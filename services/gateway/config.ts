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

const settingsVariables = {
  PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      "By which URL the world knows this server: what OAuth clients find in its metadata, and what tokens name as their issuer. Unset, callers on this machine are told the URL that they use, and others no metadata.",
    ),
  TASK_PERMISSION_VERIFY_URL: z
    .url()
    .optional()
    .describe(
      "A service of the operator's that says whether a user of another issuer may submit a task ([identity](identity.md)).",
    ),
  TASK_PERMISSION_SECRET: secret.optional().describe("What that service is shown to know who asks."),
  FEDERATION_ALLOW_HTTP: z
    .stringbool()
    .default(false)
    .describe("Whether it may be asked by plain HTTP, on a network that nobody else is on."),
  API_STR: z
    .string()
    .default("/api")
    .transform((prefix) => prefix.replace(/\/+$/, ""))
    .refine((prefix) => prefix !== "", "may not be the root, where the other workflow routes are")
    .refine((prefix) => /^(\/[\w.~-]+)*$/.test(prefix), "is not a path such as /api")
    .describe(
      "What the paths of one of the two sets of workflow routes, and of the documentation, begin with. The other set is at the root, so it can not be that.",
    ),
  API_ENABLE_DOCS: z
    .stringbool()
    .default(true)
    .describe("Whether the HTTP routes are described at `API_STR/openapi.json` and `API_STR/docs`."),
  OPEN_WORKFLOW_ROUTES: z
    .stringbool()
    .default(false)
    .describe(
      "Whether the workflow routes answer without a token to whoever reaches them by an address, a name of one word or one of `TRUSTED_HOSTS`. Otherwise they do where the server is bound to loopback and not in production.",
    ),
  ENVIRONMENT: environmentKind,
  ...waldiezVariables,
};

/** Every variable that the process reads. */
export const gatewayVariables = {
  ...settingsVariables,
  ...edgeVariables,
  API_HOST: z.string().min(1).optional().describe("Goes before `GATEWAY_HOST`."),
  API_PORT: port.optional().describe("Goes before `GATEWAY_PORT`."),
  GATEWAY_HOST: z.string().min(1).default("127.0.0.1").describe("The address that it listens at."),
  GATEWAY_PORT: port.default(8_000).describe("The port that it listens at."),
  AUTH_URL: z.url().describe("Where auth is, as `http://host:port`."),
  SCHEDULER_URL: z.url().describe("Where the scheduler is."),
  TASKIO_URL: z.url().describe("Where taskio is."),
  ANTIPHON_TASKS_CLIENT_ID: z
    .string()
    .min(1)
    .optional()
    .describe("The client for `tasks-api` that calls of the workflow routes without a token are made as."),
  ANTIPHON_TASKS_CLIENT_SECRET: secret.optional().describe("Its secret."),
  SHUTDOWN_GRACE_MS: milliseconds
    .default(5_000)
    .describe("What calls get to end by themselves when it is told to stop."),
};

/** Reads how the gateway works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): GatewaySettings {
  const read = readEnv(settingsVariables, env);
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
  const read = readEnv(gatewayVariables, env);
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
}: z.output<z.ZodObject<typeof gatewayVariables>>): GatewayConfig["localClient"] {
  if (clientId !== undefined && clientSecret !== undefined) return { clientId, clientSecret };
  if (clientId === undefined && clientSecret === undefined && !areOpen) return undefined;
  throw new ConfigError([
    "ANTIPHON_TASKS_CLIENT_ID, ANTIPHON_TASKS_CLIENT_SECRET: both are required when one is set, and with OPEN_WORKFLOW_ROUTES",
  ]);
}

function taskPermissionOf(
  read: z.output<z.ZodObject<typeof settingsVariables>>,
): TaskPermissionSettings | undefined {
  const { TASK_PERMISSION_VERIFY_URL: url, TASK_PERMISSION_SECRET: secret } = read;
  if (url === undefined) return undefined;
  if (!read.FEDERATION_ALLOW_HTTP && !isSecureUrl(url)) {
    throw new ConfigError([
      "TASK_PERMISSION_VERIFY_URL: it is asked by https only, unless FEDERATION_ALLOW_HTTP is set",
    ]);
  }
  return { url, secret };
}
