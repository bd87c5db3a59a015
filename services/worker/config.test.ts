import { describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";

describe("the configuration of a worker", () => {
  test("has a default for everything, and isolates programs", () => {
    const { settings, isolation } = readConfig({});
    expect(settings).toMatchObject({ stream: "workflow:tasks", group: "workflow_group", slots: 256 });
    expect(settings.workerId).toMatch(/^worker-[A-Za-z0-9._-]+$/);
    expect(isolation).toMatchObject({ backend: "bubblewrap", allowUnsafeProcess: false });
  });

  test("names all faults at once", () => {
    expect(() => readConfig({ WORKER_NAME: "a b", WORKER_SLOTS: "0", SANDBOX: "none" })).toThrow(
      /WORKER_NAME[^]*WORKER_SLOTS[^]*SANDBOX/,
    );
  });
});
