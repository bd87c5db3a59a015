import type { JsonObject } from "./core/json.ts";
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

/** What belongs to an event, as callers may see it; keys in snake case as in the contract. */
export function shownDetails(row: EventRow): JsonObject {
  return shown(JSON.parse(new TextDecoder().decode(row.payload)) as JsonObject, true);
}

function shown(object: JsonObject, isOurs: boolean): JsonObject {
  const entries = Object.entries(object).flatMap(([key, value]): [string, JsonObject[string]][] => {
    if (!isOurs) return [[key, value]];
    if (hidden.has(key)) return [];
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // Below these lies what users made.
    const isUsers = key === "output" || key === "input";
    const isNested = typeof value === "object" && value !== null && !Array.isArray(value);
    return [[name, isNested ? shown(value as JsonObject, !isUsers) : value]];
  });
  return Object.fromEntries(entries);
}
