import { DomainError } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { RunPlace } from "../run-store.ts";
import type { TaskPlace } from "../task-store.ts";
import type { WorkflowPlace } from "../workflow-store.ts";

/** How many items a page has when the caller does not say, and at most. */
const defaultSize = 50;
const maxSize = 1_000;

/** The largest place that Postgres can compare a seq with. */
const maxSeq = 2 ** 31 - 1;

/** The end of the year 9999: beyond it dates are written in a form that Postgres does not read. */
const maxTimeMs = 253_402_300_799_999;

/** The size of a page. Throws `FIELD_INVALID` for a negative one. */
export function pageSizeOf(size: number, byDefault: number = defaultSize): number {
  if (size < 0) {
    throw DomainError.ofFaults([{ path: "page_size", reason: "FIELD_INVALID", message: "is negative" }]);
  }
  return size === 0 ? byDefault : Math.min(size, maxSize);
}

/** A place in the list called `list`, as a text that callers pass back unread. */
export function pageToken(list: string, place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString("base64url");
}

/**
 * The number that a token names as the place in a list, undefined for an empty
 * token. Throws `PAGE_TOKEN_INVALID` for one that this list did not give out.
 */
export function numberedPlace(token: string, list: string): number | undefined {
  const [number, ...rest] = placeOf(token, list) ?? [0];
  if (!isCount(number, maxSeq) || rest.length > 0) throw invalidToken();
  return token === "" ? undefined : number;
}

/** As `numberedPlace`, for a list in the order of names. */
export function namedPlace(token: string, list: string): string | undefined {
  const [name, ...rest] = placeOf(token, list) ?? [""];
  if (typeof name !== "string" || name.includes("\0") || rest.length > 0) throw invalidToken();
  return token === "" ? undefined : name;
}

/** As `numberedPlace`, for a list of runs, newest first. */
export function runPlace(token: string, list: string): RunPlace | undefined {
  const place = placeInTime(token, list);
  return place && { createdAt: place.createdAt, runId: place.id };
}

/** As `numberedPlace`, for a list of stand-alone tasks. */
export function taskPlace(token: string, list: string): TaskPlace | undefined {
  if (token === "") return undefined;
  const [value, ...place] = placeOf(token, list) ?? [];
  const { createdAt, id } = inTime(place);
  if (typeof value !== "string" || value.includes("\0")) throw invalidToken();
  return { value, createdAt, taskId: id };
}

/** As `numberedPlace`, for a list of workflows, newest first. */
export function workflowPlace(token: string, list: string): WorkflowPlace | undefined {
  const place = placeInTime(token, list);
  return place && { appliedAt: place.createdAt, workflowId: place.id };
}

function placeInTime(
  token: string,
  list: string,
): { readonly createdAt: Date; readonly id: string } | undefined {
  return token === "" ? undefined : inTime(placeOf(token, list) ?? []);
}

function inTime([createdAtMs, id, ...rest]: readonly unknown[]): {
  readonly createdAt: Date;
  readonly id: string;
} {
  const isPlace = isCount(createdAtMs, maxTimeMs) && typeof id === "string" && isRunId(id);
  if (!isPlace || rest.length > 0) throw invalidToken();
  return { createdAt: new Date(createdAtMs), id };
}

/** What stands in a token, which anybody may have made. */
function placeOf(token: string, list: string): unknown[] | undefined {
  if (token === "") return undefined;
  try {
    const [name, ...place] = JSON.parse(Buffer.from(token, "base64url").toString()) as unknown[];
    if (name === list) return place;
  } catch {
    // Not even JSON: refused below like any other text.
  }
  throw invalidToken();
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

function invalidToken(): DomainError {
  return new DomainError(
    "PAGE_TOKEN_INVALID",
    "is not a page token of this list",
    {},
    {
      faults: [
        { path: "page_token", reason: "PAGE_TOKEN_INVALID", message: "is not a page token of this list" },
      ],
    },
  );
}
