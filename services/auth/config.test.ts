import { describe, expect, test } from "vitest";
import { readConfig, readSettings } from "./config.ts";

describe("readSettings", () => {
  test("reads preset clients, each for its audience", () => {
    const { presets } = readSettings({
      ANTIPHON_LOCAL_CLIENT_ID: "local",
      ANTIPHON_LOCAL_CLIENT_SECRET: "s1",
      ANTIPHON_WORKER_CLIENT_ID: "worker",
      ANTIPHON_WORKER_CLIENT_SECRET: "s3",
      ANTIPHON_TASKS_CLIENT_ID: "tasks",
      ANTIPHON_TASKS_CLIENT_SECRET: "s4",
    });
    expect(presets).toEqual([
      { clientId: "local", clientSecret: "s1", audience: "clients-api" },
      { clientId: "worker", clientSecret: "s3", audience: "workers-api" },
      { clientId: "tasks", clientSecret: "s4", audience: "tasks-api" },
    ]);
  });

  test("refuses a preset id without its secret", () => {
    expect(() => readSettings({ ANTIPHON_TASKS_CLIENT_ID: "tasks" })).toThrow("one is set without the other");
  });
});

describe("readConfig", () => {
  test("names what is missing", () => {
    expect(() => readConfig({})).toThrow(/DATABASE_URL: is required\n.*ANTIPHON_SECRET_KEY: is required/);
  });
});
