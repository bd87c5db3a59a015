import { z } from "zod";
import { ConfigError, milliseconds, port, readEnv, secret } from "../../lib/config/env.ts";
import { isSecureUrl } from "../../lib/http/is-secure-url.ts";
import type { TaskPermissionSettings } from "./task-permission.ts";

/** How the gateway works. */
export interface GatewaySettings {
  /** By which URL the world knows this server, without a slash behind it; undefined when nobody said. */
  readonly publicUrl: string | undefined;
  readonly taskPermission: TaskPermissionSettings | undefined;
}

/** What the process is told. */
export interface GatewayConfig {
  readonly host: string;
  readonly port: number;
  readonly authUrl: string;
  readonly schedulerUrl: string;
  readonly taskioUrl: string;
  /** What calls get to end by themselves when the process is told to stop. */
  readonly shutdownGraceMs: number;
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
};

const schema = {
  ...settingsSchema,
  /** The seeds' names go first; loopback unless said otherwise. */
  API_HOST: z.string().min(1).optional(),
  API_PORT: port.optional(),
  GATEWAY_HOST: z.string().min(1).default("127.0.0.1"),
  GATEWAY_PORT: port.default(8_000),
  /** Where the services behind are, as `http://host:port`. */
  AUTH_URL: z.url(),
  SCHEDULER_URL: z.url(),
  TASKIO_URL: z.url(),
  SHUTDOWN_GRACE_MS: milliseconds.default(5_000),
};

/** Reads how the gateway works from an environment. Throws ConfigError with all faults. */
export function readSettings(env: NodeJS.ProcessEnv): GatewaySettings {
  const read = readEnv(settingsSchema, env);
  return {
    publicUrl: read.PUBLIC_URL?.replace(/\/$/, ""),
    taskPermission: taskPermissionOf(read),
  };
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
    settings: readSettings(env),
  };
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
