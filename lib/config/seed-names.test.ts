import { describe, expect, test } from "vitest";
import { inOurNames } from "./seed-names.ts";

const ours = (env: NodeJS.ProcessEnv) => {
  const changed = Object.entries(inOurNames(env).env).filter(([name, value]) => env[name] !== value);
  return Object.fromEntries(changed);
};

describe("inOurNames", () => {
  test.each([
    [
      { WALDIEZ_RUNNER_HOST: "0.0.0.0", WALDIEZ_RUNNER_PORT: "9" },
      { API_HOST: "0.0.0.0", API_PORT: "9" },
    ],
    [{ WALDIEZ_RUNNER_SECRET_KEY: "s" }, { ANTIPHON_SECRET_KEY: "s" }],
    [{ WALDIEZ_RUNNER_SECRET_KEY_FILE: "/run/s" }, { ANTIPHON_SECRET_KEY_FILE: "/run/s" }],
    [{ WALDIEZ_RUNNER_FORCE_SSL: "true" }, { FORCE_SSL: "true" }],
    [{ WALDIEZ_RUNNER_TRUSTED_ORIGINS: "https://a.example" }, { BACKEND_CORS_ORIGINS: "https://a.example" }],
    [{ WALDIEZ_RUNNER_LOCAL_CLIENT_ID: "c" }, { ANTIPHON_LOCAL_CLIENT_ID: "c" }],
    [{ WALDIEZ_RUNNER_MAX_JOBS: "3" }, { MAX_JOBS: "3" }],
    [
      { WALDIEZ_RUNNER_DB_URL: "postgresql+psycopg://u:p@db:5432/n" },
      { DATABASE_URL: "postgres://u:p@db:5432/n" },
    ],
    [
      { WALDIEZ_RUNNER_DB_HOST: "db", WALDIEZ_RUNNER_DB_PASSWORD: "p@ss" },
      { DATABASE_URL: "postgres://db_user:p%40ss@db:5432/db_name" },
    ],
    [
      {
        WALDIEZ_RUNNER_POSTGRES_HOST: "db",
        WALDIEZ_RUNNER_POSTGRES_PORT: "6",
        WALDIEZ_RUNNER_POSTGRES_USER: "u",
        WALDIEZ_RUNNER_POSTGRES_PASSWORD: "p",
        WALDIEZ_RUNNER_POSTGRES_DB: "n",
      },
      { DATABASE_URL: "postgres://u:p@db:6/n" },
    ],
    [{ WALDIEZ_RUNNER_POSTGRES: "false", WALDIEZ_RUNNER_DB_HOST: "db" }, {}],
    [{ WALDIEZ_RUNNER_REDIS_URL: "redis://r:1/2" }, { REDIS_URL: "redis://r:1/2" }],
    [
      {
        WALDIEZ_RUNNER_REDIS_HOST: "r",
        WALDIEZ_RUNNER_REDIS_PASSWORD: "p/w",
        WALDIEZ_RUNNER_REDIS_SCHEME: "rediss",
      },
      { REDIS_URL: "rediss://:p%2Fw@r:6379/0" },
    ],
    [
      { WALDIEZ_RUNNER_REDIS_HOST: "/run/redis.sock", WALDIEZ_RUNNER_REDIS_SCHEME: "unix" },
      { REDIS_URL: "/run/redis.sock" },
    ],
    [{ WALDIEZ_RUNNER_REDIS: "false", WALDIEZ_RUNNER_REDIS_HOST: "r" }, {}],
    [{ WALDIEZ_RUNNER_KEEP_TASKS_FOR_DAYS: "7" }, { RUN_RETENTION_MS: "604800000" }],
    [{ WALDIEZ_RUNNER_KEEP_TASK_FOR_DAYS: "1" }, { RUN_RETENTION_MS: "86400000" }],
    [{ WALDIEZ_RUNNER_LOG_LEVEL: "WARNING" }, { LOG_LEVEL: "warn" }],
    [{ LOG_LEVEL: "10" }, { LOG_LEVEL: "debug" }],
    [{ DEBUG: "True" }, { LOG_LEVEL: "debug" }],
    [{ DEBUG: "express:*" }, {}],
    [{ DEBUG: "true", LOG_LEVEL: "error" }, {}],
    [{ DEBUG: "true", WALDIEZ_RUNNER_LOG_LEVEL: "INFO" }, { LOG_LEVEL: "info" }],
  ])("takes %j for %j", (env, expected) => {
    expect(ours(env)).toEqual(expected);
  });

  test("lets ours go before theirs, also one that comes from a file", () => {
    const env = {
      API_PORT: "1",
      WALDIEZ_RUNNER_PORT: "2",
      ANTIPHON_SECRET_KEY_FILE: "/run/s",
      WALDIEZ_RUNNER_SECRET_KEY: "s",
      DATABASE_URL: "postgres://ours",
      WALDIEZ_RUNNER_DB_HOST: "theirs",
      REDIS_HOST: "ours",
      WALDIEZ_RUNNER_REDIS_HOST: "theirs",
      API_HOST: "",
      WALDIEZ_RUNNER_HOST: "",
    };
    expect(inOurNames(env)).toEqual({ env, unused: [] });
  });

  test("tells what has no meaning here, and no value of it", () => {
    const { env, unused } = inOurNames({
      WALDIEZ_RUNNER_EXTRA_PACKAGES: "hunter2",
      WALDIEZ_RUNNER_COLOUR: "hunter2",
      WALDIEZ_RUNNER_DB_URL: "sqlite:///hunter2",
      WALDIEZ_RUNNER_KEEP_TASKS_FOR_DAYS: "0",
      WALDIEZ_RUNNER_LOG_LEVEL: "loud",
    });
    expect(unused.map((line) => line.split(":")[0])).toEqual([
      "WALDIEZ_RUNNER_EXTRA_PACKAGES",
      "WALDIEZ_RUNNER_COLOUR",
      "WALDIEZ_RUNNER_DB_URL, _HOST…",
      "WALDIEZ_RUNNER_KEEP_TASKS_FOR_DAYS",
      "LOG_LEVEL",
    ]);
    expect(unused.join()).not.toContain("hunter2");
    expect(env["LOG_LEVEL"]).toBeUndefined();
  });

  test("leaves what services read by those names, and says nothing of it", () => {
    const env = {
      WALDIEZ_RUNNER_OIDC_AUDIENCE: "runner",
      WALDIEZ_RUNNER_USE_OIDC_AUTH: "true",
    };
    expect(inOurNames(env)).toEqual({ env, unused: [] });
  });
});
