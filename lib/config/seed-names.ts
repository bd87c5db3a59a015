/*
 * The names by which the Waldiez runner and the workflow engines read their
 * environment, in ours. A variable of ours that is set goes before theirs. Theirs
 * that a service reads under its own name stay as they are.
 */
import { logLevel } from "./log-level.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** An environment in our names, and what of it has no meaning here. */
export interface Translated {
  readonly env: NodeJS.ProcessEnv;
  /** For whoever set them, a line for each: its name and why. Never a value. */
  readonly unused: readonly string[];
}

const prefix = "WALDIEZ_RUNNER_";

/** Theirs without the prefix, by ours: the same in other words. A secret may come from a file by both names. */
const renamed: Readonly<Record<string, string>> = {
  HOST: "API_HOST",
  PORT: "API_PORT",
  SECRET_KEY: "ANTIPHON_SECRET_KEY",
  LOCAL_CLIENT_ID: "ANTIPHON_LOCAL_CLIENT_ID",
  LOCAL_CLIENT_SECRET: "ANTIPHON_LOCAL_CLIENT_SECRET",
  FORCE_SSL: "FORCE_SSL",
  TRUSTED_HOSTS: "TRUSTED_HOSTS",
  TRUSTED_ORIGINS: "BACKEND_CORS_ORIGINS",
  TRUSTED_ORIGIN_REGEX: "TRUSTED_ORIGIN_REGEX",
  TASK_PERMISSION_VERIFY_URL: "TASK_PERMISSION_VERIFY_URL",
  TASK_PERMISSION_SECRET: "TASK_PERMISSION_SECRET",
  REDIS_URL: "REDIS_URL",
  MAX_JOBS: "MAX_JOBS",
  INPUT_TIMEOUT: "INPUT_TIMEOUT",
  MAX_TASK_DURATION: "MAX_TASK_DURATION",
  LOG_LEVEL: "LOG_LEVEL",
};

/** Theirs without the prefix that have no meaning here, and why. */
const meaningless: Readonly<Record<string, string>> = {
  DOMAIN_NAME: "PUBLIC_URL says by which address the world knows this server",
  DEV: "there is no such mode",
  TESTING: "there is no such mode",
  SMOKE_TESTING: "there is no such mode",
  NO_REDIS: "without REDIS_URL a broker is found by itself",
  USE_LOCAL_AUTH: "clients of this installation are always known",
  SKIP_DEPS: "what a flow needs is installed once and kept",
  EXTRA_PACKAGES: "each flow or program names what it needs",
  STORAGE_BACKEND: "files are kept by the server",
};

/** Theirs without the prefix that auth reads as they are: each switch there goes with what it switches. */
const readAsTheyAre = /^(USE_OIDC_AUTH|OIDC_\w+|ENABLE_EXTERNAL_AUTH|EXTERNAL_AUTH_\w+)$/;

/** Theirs that make one of ours together. */
const composed =
  /^(POSTGRES|(DB|POSTGRES)_(HOST|PORT|USER|PASSWORD|NAME|DB|URL)|REDIS|REDIS_(HOST|PORT|DB|SCHEME|PASSWORD)|KEEP_TASKS?_FOR_DAYS)$/;

const dayMs = 24 * 60 * 60 * 1_000;

/** Says in our names what an environment says in the seeds'. */
export function inOurNames(env: NodeJS.ProcessEnv): Translated {
  const found = new Map<string, string>();
  const unused: string[] = [];
  const offer = (name: string, value: string | undefined): void => {
    if (value !== undefined && !isSet(env, name) && !found.has(name)) found.set(name, value);
  };
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(prefix) || value === undefined || value === "") continue;
    const [, theirs = "", file = ""] = /^(\w+?)(_FILE)?$/.exec(name.slice(prefix.length)) ?? [];
    const ours = renamed[theirs];
    if (ours !== undefined) offer(ours + file, value);
    else if (meaningless[theirs] !== undefined) unused.push(`${name}: ${meaningless[theirs]}`);
    else if (!readAsTheyAre.test(theirs) && !composed.test(theirs)) unused.push(`${name}: is not known`);
  }
  const theirs = (name: string) => textOf(env, prefix + name);
  offer("DATABASE_URL", databaseUrl(theirs, unused));
  offer("REDIS_URL", isOff(theirs("REDIS")) || isRedisNamed(env) ? undefined : redisUrl(theirs));
  offer("RUN_RETENTION_MS", retentionMs(theirs, unused));
  if (isOn(env["DEBUG"])) offer("LOG_LEVEL", "debug");
  const said = { ...env, ...Object.fromEntries(found) };
  const level = said["LOG_LEVEL"];
  return {
    env: level === undefined ? said : { ...said, LOG_LEVEL: logLevel(level) },
    unused: level && logLevel(level) === undefined ? [...unused, "LOG_LEVEL: names no level"] : unused,
  };
}

type Theirs = (name: string) => string | undefined;

function databaseUrl(theirs: Theirs, unused: string[]): string | undefined {
  const part = (name: string) => theirs(`DB_${name}`) ?? theirs(`POSTGRES_${name}`);
  const url = part("URL");
  const host = part("HOST");
  if (isOff(theirs("POSTGRES")) || url?.startsWith("sqlite") === true) {
    if (url !== undefined || host !== undefined) unused.push(`${prefix}DB_URL, _HOST…: name no Postgres`);
    return undefined;
  }
  // SQLAlchemy names the driver, too: postgresql+psycopg://
  if (url !== undefined) return url.replace(/^postgres(ql)?(\+\w+)?:/, "postgres:");
  if (host === undefined) return undefined;
  const user = encodeURIComponent(part("USER") ?? "db_user");
  const password = encodeURIComponent(part("PASSWORD") ?? "db_password");
  const name = encodeURIComponent(part("NAME") ?? part("DB") ?? "db_name");
  return `postgres://${user}:${password}@${host}:${part("PORT") ?? "5432"}/${name}`;
}

function redisUrl(theirs: Theirs): string | undefined {
  const host = theirs("REDIS_HOST");
  if (host === undefined) return undefined;
  const scheme = theirs("REDIS_SCHEME") ?? "redis";
  if (scheme === "unix") return host;
  const password = theirs("REDIS_PASSWORD");
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
  return `${scheme}://${secret}${host}:${theirs("REDIS_PORT") ?? "6379"}/${theirs("REDIS_DB") ?? "0"}`;
}

function retentionMs(theirs: Theirs, unused: string[]): string | undefined {
  const name = theirs("KEEP_TASKS_FOR_DAYS") === undefined ? "KEEP_TASK_FOR_DAYS" : "KEEP_TASKS_FOR_DAYS";
  const days = theirs(name);
  if (days === undefined) return undefined;
  if (Number(days) > 0) return String(Math.round(Number(days) * dayMs));
  unused.push(`${prefix}${name}: results are always kept for a while; RUN_RETENTION_MS says how long`);
  return undefined;
}

/** Whether our own variables, which are also seed 003's, say where Redis is. */
function isRedisNamed(env: Environment): boolean {
  return ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_DB"].some((name) => isSet(env, name));
}

function isSet(env: Environment, name: string): boolean {
  return textOf(env, name) !== undefined || textOf(env, `${name}_FILE`) !== undefined;
}

/** An empty variable counts as unset. */
function textOf(env: Environment, name: string): string | undefined {
  const text = env[name];
  return text === "" ? undefined : text;
}

/** Others use `DEBUG` for lists of names; only what is plainly on is taken for seed 003's. */
function isOn(text = ""): boolean {
  return ["1", "true", "yes", "on"].includes(text.toLowerCase());
}

function isOff(text = ""): boolean {
  return ["0", "false", "no", "off"].includes(text.toLowerCase());
}
