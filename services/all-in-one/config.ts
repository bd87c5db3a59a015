import { resolve } from "node:path";
import { z } from "zod";
import { port, readEnv, type Secret, secret } from "../../lib/config/env.ts";
import { environmentKind } from "../../lib/config/environment-kind.ts";
import { redisUrlOf, redisVariables } from "../../lib/config/redis-address.ts";

/** What the server is told besides what each service is. */
export interface AllInOneConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDirectory: string;
  /** Whether that is where commands look for it: `.antiphon` where the server was started. */
  readonly isUsualFolder: boolean;
  /** Undefined: a Postgres of our own. */
  readonly databaseUrl: string | undefined;
  /** Undefined: a Redis of our own where there is one, else memory. */
  readonly redisUrl: string | undefined;
  /** Undefined: one that is made in the data folder. */
  readonly secretKey: Secret | undefined;
  /** Whether nothing may be simulated, and nothing kept in memory alone. */
  readonly isProduction: boolean;
}

const usualFolder = ".antiphon";

/** Every variable that the server reads besides those of the services in it. */
export const allInOneVariables = {
  API_HOST: z.string().min(1).default("127.0.0.1").describe("The address that it listens at."),
  API_PORT: port.default(8_000).describe("The port that it listens at."),
  ANTIPHON_DATA_DIR: z.string().min(1).default(usualFolder).describe("Where everything is kept."),
  DATABASE_URL: z.string().min(1).optional().describe("A Postgres; one of its own when unset."),
  ...redisVariables,
  ANTIPHON_SECRET_KEY: secret
    .optional()
    .describe("Seals what is stored; made in the data folder when unset."),
  ENVIRONMENT: environmentKind,
};

/** Reads what the all-in-one server is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): AllInOneConfig {
  const read = readEnv(allInOneVariables, env);
  return {
    host: read.API_HOST,
    port: read.API_PORT,
    dataDirectory: resolve(read.ANTIPHON_DATA_DIR),
    isUsualFolder: resolve(read.ANTIPHON_DATA_DIR) === resolve(usualFolder),
    databaseUrl: read.DATABASE_URL,
    redisUrl: redisUrlOf(read),
    secretKey: read.ANTIPHON_SECRET_KEY,
    isProduction: read.ENVIRONMENT === "production",
  };
}
