import { type DescField, type DescMessage, fromJson, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { DomainError, type FieldFault } from "../errors/domain-error.ts";
import { toConnectError } from "./to-connect-error.ts";

/** So many faults of one request are listed; whoever has more has not read the contract. */
const maxFaults = 20;

/**
 * JSON options that refuse what the message does not have, naming each fault by
 * its path.
 *
 * Connect decodes JSON itself and would say only which type of message a key is
 * unknown to. What it lets one bring is the decoder of UTF-8, so that is where
 * the text is checked, and a good message is decoded twice. JSON is for people
 * and scripts; the binary encoding pays nothing.
 */
export function strictJson(desc: DescMessage) {
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  return {
    ignoreUnknownFields: false,
    textDecoder: {
      decode(bytes: Uint8Array): string {
        try {
          const text = decodeUtf8(utf8, bytes);
          refuseFaults(desc, parse(text));
          return text;
        } catch (error) {
          throw toConnectError(error);
        }
      },
    },
  };
}

/** Every fault of a JSON value as this message, with its path in proto names; none when it can be decoded. */
export function jsonFaults(desc: DescMessage, json: JsonValue): FieldFault[] {
  return decodes(desc, json) ? [] : messageFaults(desc, json, "").slice(0, maxFaults);
}

function refuseFaults(desc: DescMessage, json: JsonValue): void {
  const faults = jsonFaults(desc, json);
  if (faults.some(({ path }) => path === "")) {
    throw new DomainError("FIELD_INVALID", `the message ${faults[0]?.message}`);
  }
  if (faults.length > 0) throw DomainError.ofFaults(faults);
}

function decodeUtf8(utf8: InstanceType<typeof TextDecoder>, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new DomainError("FIELD_INVALID", "the message is not UTF-8", {}, { cause });
  }
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new DomainError("FIELD_INVALID", "the message is not well-formed JSON", {}, { cause });
  }
}

function messageFaults(desc: DescMessage, json: JsonValue, path: string): FieldFault[] {
  if (desc.typeName.startsWith("google.protobuf.")) return [fault(path, `is not a ${desc.typeName}`)];
  if (!isObject(json)) return [fault(path, "must be an object")];
  const faults = Object.entries(json).flatMap(([key, value]) => {
    const field = desc.fields.find((field) => field.jsonName === key || field.name === key);
    const at = path === "" ? (field?.name ?? key) : `${path}.${field?.name ?? key}`;
    if (field === undefined) return [fault(at, `is not a field of ${desc.typeName}`)];
    return decodes(desc, { [key]: value }) ? [] : fieldFaults(field, value, at);
  });
  return faults.length > 0
    ? faults
    : [fault(path, "sets a field twice, or two of which only one may be set")];
}

function fieldFaults(field: DescField, json: JsonValue, path: string): FieldFault[] {
  if (field.fieldKind === "list") {
    if (!Array.isArray(json)) return [fault(path, "must be an array")];
    return json.flatMap((element, index) => {
      if (decodes(field.parent, { [field.jsonName]: [element] })) return [];
      return field.listKind === "message"
        ? messageFaults(field.message, element, `${path}[${index}]`)
        : [fault(`${path}[${index}]`, expectation(field))];
    });
  }
  if (field.fieldKind === "map") {
    if (!isObject(json)) return [fault(path, "must be an object")];
    return Object.entries(json).flatMap(([key, value]) => {
      if (decodes(field.parent, { [field.jsonName]: { [key]: value } })) return [];
      const at = `${path}[${JSON.stringify(key)}]`;
      return field.mapKind === "message"
        ? messageFaults(field.message, value, at)
        : [fault(at, expectation(field))];
    });
  }
  return field.fieldKind === "message"
    ? messageFaults(field.message, json, path)
    : [fault(path, expectation(field))];
}

function decodes(desc: DescMessage, json: JsonValue): boolean {
  try {
    fromJson(desc, json, { ignoreUnknownFields: false });
    return true;
  } catch {
    return false;
  }
}

function expectation(field: DescField): string {
  if (field.enum !== undefined) return `is not one of the values of ${field.enum.typeName}`;
  if (field.scalar === ScalarType.STRING) return "must be a string";
  if (field.scalar === ScalarType.BYTES) return "must be a string in base64";
  if (field.scalar === ScalarType.BOOL) return "must be true or false";
  return "must be a number within the bounds of its type";
}

function fault(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}

function isObject(json: JsonValue): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
