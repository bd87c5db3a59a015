import { describe, expect, test } from "vitest";
import { boundedText } from "./bounded-text.ts";
import { endedOf, maxOutputBytes } from "./outcome.ts";

describe("the report of an outcome", () => {
  test("is a failure when the output is over its bound", () => {
    const output = new Uint8Array(maxOutputBytes + 1);
    expect(endedOf({ kind: "completed", output }, 3)).toMatchObject({
      lastSeq: 3,
      outcome: { case: "failed", value: { reason: "OUTPUT_INVALID" } },
    });
  });

  test("bounds the message of a failure, between characters", () => {
    const { outcome } = endedOf({ kind: "failed", reason: "SIGNAL", message: "é".repeat(4_000) }, 0);
    expect(outcome.case === "failed" && Buffer.byteLength(outcome.value.message)).toBe(4_096);
  });
});

describe("boundedText", () => {
  test("never cuts a character, and mends lone surrogates", () => {
    expect(boundedText("aé😀", 6)).toBe("aé");
    expect(boundedText("aé😀", 7)).toBe("aé😀");
    expect(boundedText("\ud800", 3)).toBe("\ufffd");
  });
});
