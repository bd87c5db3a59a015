import type { z } from "zod";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import type { HoldBytes } from "./byte-budget.ts";
import { type FieldRefusal, HttpRefusal } from "./http-refusal.ts";
import { readBody } from "./read-body.ts";
import type { BodyKind, HttpRoute, RouteBody } from "./route.ts";

/** The largest body of a route that says nothing else, in bytes. */
export const defaultMaxBytes = 64 * 1024;

/** How many fields a query or a form has at most. */
const maxFields = 2_500;

/** So many faults of one request are listed; whoever has more has not read the documentation. */
const maxFaults = 100;

/** How far lists and objects may stand in each other: what is much deeper can not be written as JSON again. */
const maxDepth = 1_000;

/** What each kind of body is called in `content-type`. */
export const mediaTypes: Readonly<Record<BodyKind, string>> = {
  json: "application/json",
  form: "application/x-www-form-urlencoded",
  multipart: "multipart/form-data",
};

/** What a route's schemas make of a request. */
export interface ReadCall {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** Reads parameters, query and body of a request as the route's schemas want them. Throws HttpRefusal 422 with its faults, `maxFaults` of each part at most, 413 for too many fields, 400, 413 or 415 for a body that can not be read, and what `hold` throws. */
export async function readCall(
  { params, query, body }: HttpRoute,
  request: ServerRequest,
  {
    inPath,
    hold,
  }: { readonly inPath: Readonly<Record<string, string | undefined>>; readonly hold: HoldBytes },
): Promise<ReadCall> {
  const faults: FieldRefusal[] = [];
  const read = {
    params: checked(params, inPath, "path", faults),
    query: checked(query, queryOf(request.url ?? ""), "query", faults),
  };
  if (faults.length > 0) throw invalid(faults);
  if (body === undefined || isMultipart(request)) {
    if (body !== undefined && !body.kinds.includes("multipart")) throw unsupported(body);
    return { ...read, body: undefined };
  }
  const sent = checked(body.schema, await sentBody(body, request, hold), "body", faults);
  if (faults.length > 0) throw invalid(faults);
  return { ...read, body: sent };
}

/** What a schema makes of the fields of a body that a route's `handle` read by itself. Throws HttpRefusal 422 as `readCall`. */
export function checkedBody<Schema extends z.ZodType>(schema: Schema, fields: unknown): z.output<Schema> {
  const faults: FieldRefusal[] = [];
  const read = checked(schema, fields, "body", faults);
  if (faults.length > 0) throw invalid(faults);
  return read as z.output<Schema>;
}

/** A query as an object: a name that comes more than once has a list. */
function queryOf(url: string): Record<string, string | string[]> {
  const from = url.indexOf("?");
  return fieldsOf(from < 0 ? "" : url.slice(from + 1));
}

/** Throws HttpRefusal 413 for too many fields, before the work of reading them is done. */
function fieldsOf(text: string): Record<string, string | string[]> {
  if (hasMoreThan(maxFields, text)) {
    throw new HttpRefusal(413, `there are more than ${maxFields} fields`, { reason: "TOO_LARGE" });
  }
  const fields = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of new URLSearchParams(text)) {
    const before = fields[name];
    if (Array.isArray(before)) before.push(value);
    else fields[name] = before === undefined ? value : [before, value];
  }
  return fields;
}

function hasMoreThan(most: number, text: string): boolean {
  let count = 1;
  for (let at = text.indexOf("&"); at >= 0 && count <= most; at = text.indexOf("&", at + 1)) count += 1;
  return count > most;
}

async function sentBody(body: RouteBody, request: ServerRequest, hold: HoldBytes): Promise<unknown> {
  const bytes = await readBody(request, { maxBytes: body.maxBytes ?? defaultMaxBytes, hold });
  const kind = kindOf(request);
  if (bytes.length === 0 && (body.optional === true || kind === undefined)) return undefined;
  if (kind === undefined || !body.kinds.includes(kind)) throw unsupported(body);
  const text = utf8(bytes);
  if (kind === "form") return fieldsOf(text);
  const value = parsed(text);
  if (isDeeperThan(maxDepth, value))
    throw invalid([{ at: ["body"], type: "too_big", message: `the body is deeper than ${maxDepth} levels` }]);
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw invalid([{ at: ["body"], type: "json_invalid", message: "the body is not JSON" }], cause);
  }
}

/** Looks level by level, because what calls itself for each one fails at the depths that are looked for. */
function isDeeperThan(most: number, value: unknown): boolean {
  let level = [value].filter(isContainer);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= most) return true;
    level = level.flatMap((container) => Object.values(container).filter(isContainer));
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid([{ at: ["body"], type: "unicode_invalid", message: "the body is not UTF-8" }], cause);
  }
}

function checked(
  schema: z.ZodType | undefined,
  value: unknown,
  place: "path" | "query" | "body",
  faults: FieldRefusal[],
): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues.slice(0, maxFaults)) {
    const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
    const input = valueAt(value, path);
    faults.push({
      at: [place, ...path],
      type: input === undefined ? "missing" : issue.code,
      message: input === undefined ? "is required" : issue.message,
      // What stands in a body may be secret.
      ...(place !== "body" && isShown(input) && { input }),
    });
  }
  return undefined;
}

function valueAt(root: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<string | number, unknown> | undefined)?.[part],
    root,
  );
}

function isShown(input: unknown): input is string | number | boolean | null {
  return input === null || ["string", "number", "boolean"].includes(typeof input);
}

function kindOf(request: ServerRequest): BodyKind | undefined {
  const [mediaType = ""] = (request.headers["content-type"] ?? "").split(";", 1);
  const name = mediaType.trim().toLowerCase();
  if (name.endsWith("+json")) return "json";
  const kinds = Object.keys(mediaTypes) as BodyKind[];
  return kinds.find((kind) => mediaTypes[kind] === name);
}

function isMultipart(request: ServerRequest): boolean {
  return kindOf(request) === "multipart";
}

function unsupported({ kinds }: RouteBody): HttpRefusal {
  const taken = kinds.map((kind) => mediaTypes[kind]).join(", ");
  return new HttpRefusal(415, `the body is none of ${taken}`, { reason: "FIELD_INVALID" });
}

function invalid(fields: readonly FieldRefusal[], cause?: unknown): HttpRefusal {
  const message = fields.map(({ at, message }) => `${at.join(".")}: ${message}`).join("; ");
  return new HttpRefusal(422, message, { reason: "FIELD_INVALID", fields, cause });
}
