/*
 * The contract's messages as people write them: plain JSON where proto has bytes
 * of JSON, `fail_run` for FAILURE_POLICY_FAIL_RUN, `1.5s`, `2h` or a number of
 * seconds for a duration, and a list alone for a `for_each`. Names are proto's,
 * or those of its JSON mapping.
 */
import type { DescEnum, DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { FieldFault } from "../errors/domain-error.ts";
import { closest } from "./closest.ts";
import { durationMs } from "./duration-ms.ts";
import { jsonFields } from "./json-fields.ts";

/** A value in proto's JSON mapping, and what of it was not understood. */
export interface FromPlain {
  readonly json: JsonObject;
  /** With paths in proto names; fields that they are about are left out of `json`. */
  readonly faults: readonly FieldFault[];
}

/** Turns what people write into proto's JSON mapping of a message. What a field may hold beyond its form is left for others to check. */
export function fromPlain(desc: DescMessage, plain: JsonValue, path = ""): FromPlain {
  const faults: FieldFault[] = [];
  const json = messageOf(desc, plain, { path, faults });
  return { json: isObject(json) ? json : {}, faults };
}

interface At {
  readonly path: string;
  readonly faults: FieldFault[];
}

function messageOf(desc: DescMessage, plain: JsonValue, at: At): JsonValue | undefined {
  const special = forms[desc.typeName];
  const value = special === undefined ? plain : special(plain, at);
  if (value === undefined || desc.typeName.startsWith("google.protobuf.")) return value;
  if (!isObject(value)) return refused(at, "must be an object");
  const json: JsonObject = {};
  for (const [key, part] of Object.entries(value)) {
    const field = desc.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field === undefined) {
      const names = desc.fields.map(({ name }) => name);
      refused({ ...at, path: below(at.path, key) }, `there is no such field${meant(key, names)}`);
      continue;
    }
    if (part === null) continue;
    const converted = fieldOf(field, part, { ...at, path: below(at.path, field.name) });
    if (converted !== undefined) json[field.jsonName] = converted;
  }
  return json;
}

function fieldOf(field: DescField, plain: JsonValue, at: At): JsonValue | undefined {
  if (jsonFields.has(`${field.parent.typeName}.${field.name}`)) return inBase64(plain);
  if (field.fieldKind === "list") {
    if (!Array.isArray(plain)) return refused(at, "must be a list");
    return plain.flatMap(
      (item, index) => elementOf(field, item, { ...at, path: `${at.path}[${index}]` }) ?? [],
    );
  }
  if (field.fieldKind === "map") return isObject(plain) ? plain : refused(at, "must be an object");
  return elementOf(field, plain, at);
}

function elementOf(field: DescField, plain: JsonValue, at: At): JsonValue | undefined {
  if (field.message !== undefined && field.fieldKind !== "map") return messageOf(field.message, plain, at);
  if (field.enum !== undefined && field.fieldKind !== "map") return enumOf(field.enum, plain, at);
  return plain;
}

function enumOf(desc: DescEnum, plain: JsonValue, at: At): JsonValue | undefined {
  const prefix = (desc.sharedPrefix ?? "").toUpperCase();
  const names = desc.values.map(({ name }) => name).filter((name) => !name.endsWith("_UNSPECIFIED"));
  const typed = typeof plain === "string" ? plain : "";
  const word = typed.toUpperCase().replaceAll("-", "_");
  const found = names.find((name) => name === word || name === `${prefix}${word}`);
  if (found !== undefined) return found;
  const words = names.map((name) => name.slice(prefix.length).toLowerCase());
  return refused(at, `must be one of ${words.join(", ")}${meant(typed, words)}`);
}

/** Messages that have a shorter form. */
const forms: Readonly<Record<string, (plain: JsonValue, at: At) => JsonValue | undefined>> = {
  "google.protobuf.Duration": (plain, at) => {
    const ms = typeof plain === "number" ? plain * 1_000 : durationMs(typeof plain === "string" ? plain : "");
    const isTime = ms !== undefined && ms >= 0 && ms <= 315_576_000_000_000;
    return isTime
      ? `${Math.round(ms) / 1_000}s`
      : refused(at, "must be a time such as 1.5s, 5m, 2h or 1d, or seconds");
  },
  "google.protobuf.Timestamp": (plain, at) => {
    const time =
      typeof plain === "string" && /^\d{4}-\d\d-\d\dT/.test(plain) ? Date.parse(plain) : Number.NaN;
    return Number.isNaN(time)
      ? refused(at, "must be a time such as 2026-11-21T01:49:00Z")
      : new Date(time).toISOString();
  },
  "antiphon.scheduler.v1.ForEach": (plain) => (isObject(plain) ? plain : { items: plain }),
};

function refused({ path, faults }: At, message: string): undefined {
  faults.push({ path, reason: "FIELD_INVALID", message });
}

function meant(typed: string, words: readonly string[]): string {
  const word = closest(typed, words);
  return word === undefined ? "" : `; is ${word} meant?`;
}

function below(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function inBase64(value: JsonValue): string {
  return Buffer.from(JSON.stringify(value)).toString("base64");
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
