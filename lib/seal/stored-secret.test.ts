import { describe, expect, test } from "vitest";
import { storedSecrets } from "./stored-secret.ts";

const secrets = storedSecrets({ secretKey: "installation", purpose: "test" });
const unopened = /unable to authenticate|not a sealed secret/;

describe("a stored secret", () => {
  test.each(["", "hunter2", "pä\u0000ß\n鍵", "x".repeat(65_536)])("opens as it was sealed", (text) => {
    expect(secrets.open(secrets.seal(text, "run-1"), "run-1")).toBe(text);
  });

  test("shows nothing of itself and never looks the same twice", () => {
    const one = Buffer.from(secrets.seal("correct horse", "run-1"));
    expect(one.includes("correct")).toBe(false);
    expect(one.equals(Buffer.from(secrets.seal("correct horse", "run-1")))).toBe(false);
  });

  test("opens for what it belongs to only, with the same secret, for the same purpose", () => {
    const sealed = secrets.seal("secret", "run-1");
    expect(() => secrets.open(sealed, "run-2")).toThrow(unopened);
    const others = [
      storedSecrets({ secretKey: "another", purpose: "test" }),
      storedSecrets({ secretKey: "installation", purpose: "something else" }),
    ];
    for (const other of others) expect(() => other.open(sealed, "run-1")).toThrow(unopened);
  });

  test("does not open when any byte was altered, or some are missing", () => {
    const sealed = secrets.seal("secret", "run-1");
    for (const at of sealed.keys()) {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => secrets.open(altered, "run-1"), `byte ${at}`).toThrow(unopened);
    }
    expect(() => secrets.open(sealed.subarray(0, 20), "run-1")).toThrow(unopened);
  });
});
