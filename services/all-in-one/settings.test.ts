import { describe, expect, test } from "vitest";
import { readSettings } from "./settings.ts";

describe("readSettings", () => {
  test("needs no variable", () => {
    expect(readSettings({}).worker.settings.workerId).toBe("local");
  });

  test("names the faults of every service at once", () => {
    const env = {
      API_PORT: "http",
      ACCESS_TOKEN_MS: "1h",
      LEASE_MS: "long",
      TASKIO_SCAN_MS: "often",
      CALL_SLOTS: "1.5",
      API_STR: "/",
      TLS_CERT: "/nowhere",
    };
    expect(() => readSettings(env)).toThrow(
      [
        "the configuration can not be used:",
        "API_PORT: is no number",
        "ACCESS_TOKEN_MS: is no number",
        "LEASE_MS: is no number",
        "TASKIO_SCAN_MS: is no number",
        "CALL_SLOTS: is no whole number",
        "API_STR: may not be the root, where the other workflow routes are",
        "TLS_CERT, TLS_KEY: both are required for TLS",
      ].join("\n  "),
    );
  });
});
