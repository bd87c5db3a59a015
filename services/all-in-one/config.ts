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

const schema = {
  /** Seed 003's and 004's names. Loopback unless said otherwise. */
  API_HOST: z.string().min(1).default("127.0.0.1"),
  API_PORT: port.default(8_000),
  ANTIPHON_DATA_DIR: z.string().min(1).default(usualFolder),
  DATABASE_URL: z.string().min(1).optional(),
  ...redisVariables,
  ANTIPHON_SECRET_KEY: secret.optional(),
  ENVIRONMENT: environmentKind,
};

/** Reads what the all-in-one server is told by its environment. Throws ConfigError with all faults. */
export function readConfig(env: NodeJS.ProcessEnv): AllInOneConfig {
  const read = readEnv(schema, env);
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
