import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { originalBody, storedBody } from "./stored-body.ts";

describe("storedBody", () => {
  test.each([
    ["nothing", new Uint8Array()],
    ["a line", Buffer.from("hello\n")],
    ["text", Buffer.from("the same line again\n".repeat(3_000))],
    ["noise", randomBytes(65_536)],
    ["every byte", Uint8Array.from({ length: 65_536 }, (_, index) => index)],
  ])("is undone by originalBody: %s", (_, body) => {
    expect(Buffer.compare(originalBody(storedBody(body), body.length), body)).toBe(0);
  });

  test("makes text smaller and nothing larger", () => {
    expect(storedBody(Buffer.from("the same line again\n".repeat(3_000))).length).toBeLessThan(6_000);
    expect(storedBody(randomBytes(65_536))).toHaveLength(65_536);
  });
});
