import {
  type DescField,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { jsonFields } from "../lib/plain-form/json-fields.ts";

/** A message in proto's JSON mapping, except that bytes which hold JSON are shown as that JSON. Unset fields show their default; bytes that would hold JSON and are empty are left out. */
export function readableJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue {
  const json = toJson(schema, message, { alwaysEmitImplicit: true });
  return withJson(reflect(schema, message), json);
}

function withJson(message: ReflectMessage, json: JsonValue): JsonValue {
  if (!isObject(json)) return json;
  const shown: Record<string, JsonValue> = { ...json };
  for (const field of message.fields) {
    const value = shown[field.jsonName];
    if (value === undefined) continue;
    const readable = withJsonField(message, field, value);
    if (readable === undefined) delete shown[field.jsonName];
    else shown[field.jsonName] = readable;
  }
  return shown;
}

function withJsonField(message: ReflectMessage, field: DescField, json: JsonValue): JsonValue | undefined {
  if (jsonFields.has(`${message.desc.typeName}.${field.name}`)) {
    return isObject(json) ? mapValues(json, (value) => parsed(value) ?? null) : parsed(json);
  }
  if (field.fieldKind === "message" && message.isSet(field)) return withJson(message.get(field), json);
  if (field.fieldKind === "list" && field.listKind === "message" && Array.isArray(json)) {
    const elements = [...message.get(field)] as ReflectMessage[];
    return json.map((element, index) =>
      elements[index] === undefined ? element : withJson(elements[index], element),
    );
  }
  return json;
}

/** Base64 of JSON as that JSON; undefined of no bytes. */
function parsed(base64: JsonValue): JsonValue | undefined {
  if (typeof base64 !== "string" || base64 === "") return undefined;
  try {
    return JSON.parse(Buffer.from(base64, "base64").toString()) as JsonValue;
  } catch {
    return base64;
  }
}

function mapValues(
  json: Readonly<Record<string, JsonValue>>,
  to: (value: JsonValue) => JsonValue,
): JsonValue {
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, to(value)]));
}

function isObject(json: JsonValue): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
