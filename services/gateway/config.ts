import { z } from "zod";
import { milliseconds, port, readEnv } from "../../lib/config/env.ts";

/** What the process is told. */
export interface GatewayConfig {
  readonly host: string;
  readonly port: number;
  readonly authUrl: string;
  readonly schedulerUrl: string;
  readonly taskioUrl: string;
  /** What calls get to end by themselves when the process is told to stop. */
  readonly shutdownGraceMs: number;
}

const schema = {
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
  };
}
