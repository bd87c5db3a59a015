import { type Json, parseJson } from "./core/json.ts";

/** JSON that a caller sent and the edge has checked; `fallback` where there is none. */
export function sentJson(bytes: Uint8Array, fallback: Json): Json {
  if (bytes.length === 0) return fallback;
  const parsed = parseJson(bytes);
  if ("fault" in parsed) throw new Error("an input that is not JSON passed the edge");
  return parsed.value;
}
