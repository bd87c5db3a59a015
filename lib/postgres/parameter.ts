import { DatabaseError } from "./errors.ts";
import type { Parameter, Scalar } from "./sql.ts";

/**
 * Writes a value in Postgres's text form, null for null and undefined.
 *
 * The server learns the type from the place of the parameter or its cast, so
 * that an array may begin with a null or be empty. A value that has no text
 * form (an invalid date, an array too large for a string) rejects as a data
 * error (22000), like one that Postgres itself refuses.
 */
export function parameterText(value: Parameter): string | null {
  if (value === null || value === undefined) return null;
  try {
    return Array.isArray(value) ? arrayText(value) : scalarText(value as Scalar & {});
  } catch (error) {
    throw new DatabaseError(`a parameter can not be written: ${(error as Error).message}`, {
      code: "22000",
      phase: "statement",
      cause: error,
    });
  }
}

function scalarText(value: Scalar & {}): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return `\\x${hex(value)}`;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "boolean") return value ? "t" : "f";
  throw new TypeError(`a ${typeof value} is no value for Postgres`);
}

function arrayText(values: readonly Scalar[]): string {
  return `{${values.map(elementText).join(",")}}`;
}

function elementText(value: Scalar): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") return quoted(value);
  if (value instanceof Uint8Array) return `"\\\\x${hex(value)}"`;
  if (value instanceof Date) return `"${value.toISOString()}"`;
  return scalarText(value);
}

function quoted(text: string): string {
  return /["\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, "\\$&")}"` : `"${text}"`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
