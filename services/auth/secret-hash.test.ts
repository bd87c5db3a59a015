import { describe, expect, test } from "vitest";
import { drawSecret, SecretHash } from "./secret-hash.ts";

const hash = new SecretHash();

describe("SecretHash", () => {
  test.each([
    ["drawn", drawSecret(), /^sha256:[\w-]{43}$/],
    ["chosen", "correct horse", /^scrypt:[\w-]{22}:[\w-]{43}$/],
  ])("knows a %s secret again by what is stored of it, and no other", async (_kind, secret, form) => {
    const stored = await hash.of(secret);
    expect(stored).toMatch(form);
    expect(stored).not.toContain(secret);
    expect(await hash.matches(secret, stored)).toBe(true);
    expect(await hash.matches(`${secret}x`, stored)).toBe(false);
    expect(await hash.matches(drawSecret(), stored)).toBe(false);
  });

  test("stores a chosen secret differently each time", async () => {
    expect(await hash.of("correct horse")).not.toBe(await hash.of("correct horse"));
  });

  test.each([drawSecret(), "correct horse"])(
    "matches nothing when nothing is stored (%#)",
    async (secret) => {
      expect(await hash.matches(secret, undefined)).toBe(false);
      expect(await hash.matches(secret, "")).toBe(false);
      expect(await hash.matches(secret, "sha256:")).toBe(false);
      expect(await hash.matches(secret, "scrypt::")).toBe(false);
    },
  );

  test("does the costly work for a client that does not exist too, and lets only so many wait for it", async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 40 }, () => hash.matches("guess", undefined)),
    );
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(32);
    expect(answers.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { reason: "TOO_MANY_CALLS" },
    });
    expect(await hash.matches("guess", undefined)).toBe(false);
  });
});
