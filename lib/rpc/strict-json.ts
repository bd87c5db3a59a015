import { type DescField, type DescMessage, fromJson, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { DomainError, type FieldFault } from "../errors/domain-error.ts";
import { toConnectError } from "./to-connect-error.ts";

/** So many faults of one request are looked for and listed; whoever has more has not read the contract. */
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

/** The first faults of a JSON value as this message, with their paths in proto names; none when it can be decoded. */
export function jsonFaults(desc: DescMessage, json: JsonValue): FieldFault[] {
  const faults: FieldFault[] = [];
  if (decodes(desc, json)) return faults;
  for (const found of messageFaults(desc, json, "")) if (faults.push(found) === maxFaults) break;
  return faults;
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

/** Faults in their order, found as they are taken: a large message may have a great many. */
function* messageFaults(desc: DescMessage, json: JsonValue, path: string): Generator<FieldFault> {
  if (desc.typeName.startsWith("google.protobuf.")) return yield fault(path, `is not a ${desc.typeName}`);
  if (!isObject(json)) return yield fault(path, "must be an object");
  let isExplained = false;
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find((field) => field.jsonName === key || field.name === key);
    if (field !== undefined && decodes(desc, { [key]: value })) continue;
    isExplained = true;
    const at = path === "" ? (field?.name ?? key) : `${path}.${field?.name ?? key}`;
    if (field === undefined) yield fault(at, `is not a field of ${desc.typeName}`);
    else yield* fieldFaults(field, value, at);
  }
  if (!isExplained) yield fault(path, "sets a field twice, or two of which only one may be set");
}

function* fieldFaults(field: DescField, json: JsonValue, path: string): Generator<FieldFault> {
  if (field.fieldKind === "list") {
    if (!Array.isArray(json)) return yield fault(path, "must be an array");
    for (const [index, element] of json.entries()) {
      if (decodes(field.parent, { [field.jsonName]: [element] })) continue;
      if (field.listKind === "message") yield* messageFaults(field.message, element, `${path}[${index}]`);
      else yield fault(`${path}[${index}]`, expectation(field));
    }
  } else if (field.fieldKind === "map") {
    if (!isObject(json)) return yield fault(path, "must be an object");
    for (const [key, value] of Object.entries(json)) {
      if (decodes(field.parent, { [field.jsonName]: { [key]: value } })) continue;
      const at = `${path}[${JSON.stringify(key)}]`;
      if (field.mapKind === "message") yield* messageFaults(field.message, value, at);
      else yield fault(at, expectation(field));
    }
  } else if (field.fieldKind === "message") yield* messageFaults(field.message, json, path);
  else yield fault(path, expectation(field));
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
