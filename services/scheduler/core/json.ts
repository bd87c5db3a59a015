/** A value as JSON has it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** How deep objects and lists may be nested; more is refused, so that walking a value never exhausts the stack. */
export const maxJsonDepth = 100;

/** Whether a value is an object, not a list or null. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** Reads UTF-8 JSON; answers what is wrong with it instead of throwing. */
export function parseJson(bytes: Uint8Array): { readonly value: Json } | { readonly fault: string } {
  let value: Json;
  try {
    value = JSON.parse(decoder.decode(bytes)) as Json;
  } catch {
    return { fault: "is not UTF-8 JSON" };
  }
  const fault = faultOf(value, maxJsonDepth);
  return fault === undefined ? { value } : { fault };
}

/** Writes a value as UTF-8 JSON. */
export function jsonBytes(value: Json): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Whether objects and lists are nested in more than `depth` levels. */
export function isDeeperThan(value: Json, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((child: Json) => isDeeperThan(child, depth - 1));
}

/** What is wrong with a value that was read, in one walk. */
function faultOf(value: Json, depth: number): string | undefined {
  // 1e999 is read as infinity and would be written as null.
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "has a number that is too large";
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === 0) return `is nested deeper than ${maxJsonDepth} levels`;
  for (const child of Object.values<Json>(value)) {
    const fault = faultOf(child, depth - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
