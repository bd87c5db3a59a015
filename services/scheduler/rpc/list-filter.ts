/*
 * What the filters of lists have in common.
 */
import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { labelForm } from "./validate.ts";

const maxTextLength = 200;
const maxLabels = 32;

/** A text that is looked for; undefined when it is empty, or, with a fault, when it is too long. */
export function searchText(path: string, text: string, faults: FieldFault[]): string | undefined {
  if (text === "") return undefined;
  if (isShort(text)) return text;
  const message = `is longer than ${maxTextLength} characters or has a zero character`;
  faults.push({ path, reason: "FIELD_INVALID", message });
  return undefined;
}

/** Labels that are looked for, as `key=value` each; what is wrong with them is added to the faults. */
export function labelPairs(
  path: string,
  labels: Readonly<Record<string, string>>,
  faults: FieldFault[],
): readonly string[] {
  const fault = (at: string, message: string) => faults.push({ path: at, reason: "FIELD_INVALID", message });
  const pairs = Object.entries(labels);
  if (pairs.length > maxLabels) fault(path, `has more than ${maxLabels} entries`);
  for (const [key, value] of pairs.slice(0, maxLabels)) {
    if (!labelForm.test(key)) fault(path, "has a key that no label has");
    else if (!isShort(value)) fault(`${path}.${key}`, `is longer than ${maxTextLength} characters`);
  }
  return pairs.map(([key, value]) => `${key}=${value}`);
}

/** The name of a list for page tokens: a request with another filter or order asks for another list. */
export function listName<Desc extends DescMessage>(
  kind: string,
  schema: Desc,
  request: MessageShape<Desc>,
): string {
  return `${kind} ${createHash("sha256").update(toBinary(schema, request)).digest("base64url")}`;
}

function isShort(text: string): boolean {
  return text.length <= maxTextLength && !text.includes("\0");
}
