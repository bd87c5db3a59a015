import { describe, expect, test } from "vitest";
import {
  DatabaseError,
  type FailurePhase,
  isConnectionLost,
  isDataError,
  isOutcomeUnknown,
  isUniqueViolation,
} from "./errors.ts";

function failure(code: string, phase: FailurePhase = "statement", constraint?: string): DatabaseError {
  return new DatabaseError("it failed", { code, phase, constraint });
}

describe("isUniqueViolation", () => {
  test("knows a unique violation, of a certain constraint if one is named", () => {
    const error = failure("23505", "statement", "client_pkey");
    expect(isUniqueViolation(error)).toBe(true);
    expect(isUniqueViolation(error, "client_pkey")).toBe(true);
    expect(isUniqueViolation(error, "client_name_key")).toBe(false);
    expect(isUniqueViolation(failure("23503"))).toBe(false);
    expect(isUniqueViolation(new Error("23505"))).toBe(false);
  });
});

describe("isConnectionLost", () => {
  test.each(["57P01", "57P02", "57P03", "08006", "CONNECTION_CLOSED", "ECONNREFUSED", "EPIPE", "ENOENT"])(
    "counts %s",
    (code) => {
      expect(isConnectionLost(failure(code))).toBe(true);
    },
  );

  test.each(["23505", "42601", "57014", "40001"])("does not count %s", (code) => {
    expect(isConnectionLost(failure(code))).toBe(false);
  });
});

describe("isDataError", () => {
  test.each(["22021", "23514", "54000", "21000"])("counts %s", (code) => {
    expect(isDataError(failure(code))).toBe(true);
  });

  test.each(["42601", "57P01", "ECONNRESET", "40001"])("does not count %s", (code) => {
    expect(isDataError(failure(code))).toBe(false);
  });
});

describe("isOutcomeUnknown", () => {
  test("counts a connection that was lost after the statement was sent, not one that was never made", () => {
    expect(isOutcomeUnknown(failure("CONNECTION_CLOSED", "statement"))).toBe(true);
    expect(isOutcomeUnknown(failure("CONNECTION_CLOSED", "connect"))).toBe(false);
  });

  test("counts a statement that was ended by its time limit, and no refusal", () => {
    expect(isOutcomeUnknown(failure("57014"))).toBe(true);
    expect(isOutcomeUnknown(failure("23505"))).toBe(false);
  });
});
