import type { Json, JsonObject } from "./core/json.ts";
import type { EventRow } from "./event-codec.ts";

/** What is left out of what callers see: rights and keys of workers, answers, and what other calls answer. */
const hidden: ReadonlySet<string> = new Set([
  "answer",
  "definition",
  "requestDigest",
  "report",
  "sealKey",
  "token",
  "incarnation",
]);

/** Below these lies what users made: it is shown as it is. */
const ofUsers: ReadonlySet<string> = new Set(["input", "labels", "output", "payload"]);

/** What belongs to an event, as callers may see it; keys in snake case as in the contract. */
export function shownDetails(row: EventRow): JsonObject {
  return shown(JSON.parse(new TextDecoder().decode(row.payload)) as JsonObject);
}

function shown(object: JsonObject): JsonObject {
  const entries = Object.entries(object).flatMap(([key, value]): [string, Json][] => {
    if (hidden.has(key)) return [];
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [[name, ofUsers.has(key) ? value : shownValue(key, value)]];
  });
  return Object.fromEntries(entries);
}

function shownValue(key: string, value: Json): Json {
  if (Array.isArray(value)) {
    const items = value as readonly Json[];
    // Of what a repetition keeps, the outputs are those of the run that it repeats.
    if (key === "kept") return items.map((kept) => (kept as JsonObject)["nodeId"] ?? null);
    return items.map((item) => shownValue(key, item));
  }
  return typeof value === "object" && value !== null ? shown(value as JsonObject) : value;
}
