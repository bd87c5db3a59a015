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

describe("the report of a failure", () => {
  const failed = { kind: "failed", reason: "HTTP_STATUS", message: "503" } as const;

  test("says whether another attempt makes sense, and when", () => {
    const { outcome } = endedOf({ ...failed, nonRetryable: true, retryDelayMs: 1_500 }, 0);
    expect(outcome.value).toMatchObject({
      nonRetryable: true,
      retryDelay: { seconds: 1n, nanos: 500_000_000 },
    });
  });

  test("leaves both to the policy when the handler does not know", () => {
    const { outcome } = endedOf(failed, 0);
    expect(outcome.value).toMatchObject({ nonRetryable: false });
    expect(outcome.value).not.toHaveProperty("retryDelay");
  });

  test("names no delay above the contract's bound", () => {
    const { outcome } = endedOf({ ...failed, retryDelayMs: 1e15 }, 0);
    expect(outcome.value).toMatchObject({ retryDelay: { seconds: 604_800n } });
  });
});

describe("boundedText", () => {
  test("never cuts a character, and mends lone surrogates", () => {
    expect(boundedText("aé😀", 6)).toBe("aé");
    expect(boundedText("aé😀", 7)).toBe("aé😀");
    expect(boundedText("\ud800", 3)).toBe("\ufffd");
  });
});
