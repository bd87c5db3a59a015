import { describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";

describe("the configuration of a worker", () => {
  test("has a default for everything, isolates programs, and lets calls reach nothing private", () => {
    const { settings, isolation, calls } = readConfig({});
    expect(settings).toMatchObject({ stream: "workflow:tasks", group: "workflow_group", slots: 256 });
    expect(settings.workerId).toMatch(/^worker-[A-Za-z0-9._-]+$/);
    expect(isolation).toMatchObject({ backend: "bubblewrap", allowUnsafeProcess: false });
    expect(calls).toEqual({ allowedHosts: [], llm: undefined });
  });

  test("reads what calls may reach", () => {
    const { calls } = readConfig({ HTTP_ALLOWED_HOSTS: "api.internal:8080, 10.0.0.0/8," });
    expect(calls.allowedHosts).toEqual([
      { kind: "name", name: "api.internal", port: 8_080 },
      { kind: "network", address: "10.0.0.0", prefix: 8, port: undefined },
    ]);
  });

  test("reads where language models answer", () => {
    const { calls } = readConfig({
      LLM_BASE_URL: "http://127.0.0.1:11434/v1",
      LLM_API_KEY: "k",
      LLM_MODEL: "m",
    });
    expect(calls.llm).toMatchObject({ baseUrl: "http://127.0.0.1:11434/v1", model: "m", timeoutMs: 120_000 });
    expect(calls.llm?.apiKey?.()).toBe("k");
  });

  test("does not guess where a key belongs", () => {
    expect(() => readConfig({ LLM_API_KEY: "k" })).toThrow(/LLM_BASE_URL: is required with LLM_API_KEY/);
  });

  test("names all faults at once", () => {
    const env = { WORKER_NAME: "a b", WORKER_SLOTS: "0", SANDBOX: "none", HTTP_ALLOWED_HOSTS: "http://a" };
    expect(() => readConfig(env)).toThrow(/WORKER_NAME[^]*WORKER_SLOTS[^]*SANDBOX[^]*HTTP_ALLOWED_HOSTS/);
  });
});
