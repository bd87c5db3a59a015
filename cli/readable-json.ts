import {
  type DescField,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/** Fields whose bytes are UTF-8 JSON, by their full names. */
const jsonFields = new Set([
  "antiphon.scheduler.v1.Task.output",
  "antiphon.scheduler.v1.Node.config",
  "antiphon.scheduler.v1.RunEvent.details",
  "antiphon.scheduler.v1.GetRunResultsResponse.results",
  "antiphon.taskio.v1.Message.json",
]);

/** A message in proto's JSON mapping, except that bytes which hold JSON are shown as that JSON. Unset fields show their default. */
export function readableJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue {
  const json = toJson(schema, message, { alwaysEmitImplicit: true });
  return withJson(reflect(schema, message), json);
}

function withJson(message: ReflectMessage, json: JsonValue): JsonValue {
  if (!isObject(json)) return json;
  const shown: Record<string, JsonValue> = { ...json };
  for (const field of message.fields) {
    const value = shown[field.jsonName];
    if (value !== undefined) shown[field.jsonName] = withJsonField(message, field, value);
  }
  return shown;
}

function withJsonField(message: ReflectMessage, field: DescField, json: JsonValue): JsonValue {
  if (jsonFields.has(`${message.desc.typeName}.${field.name}`)) {
    return isObject(json) ? mapValues(json, (value) => parsed(value)) : parsed(json);
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

/** Base64 of JSON as that JSON; of no bytes as null. */
function parsed(base64: JsonValue): JsonValue {
  if (typeof base64 !== "string" || base64 === "") return null;
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
