import { DomainError } from "../../../lib/errors/domain-error.ts";

/** How many items a page has when the caller does not say, and at most. */
const defaultSize = 50;
const maxSize = 1_000;

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

/** The place that a token names, undefined for an empty token. Throws `PAGE_TOKEN_INVALID` when it is none of this list's, or has other than `length` parts. */
export function placeOf(token: string, list: string, length: number): (string | number)[] | undefined {
  if (token === "") return undefined;
  try {
    const [name, ...place] = JSON.parse(Buffer.from(token, "base64url").toString()) as unknown[];
    const isPlace = (part: unknown) => typeof part === "string" || typeof part === "number";
    if (name === list && place.length === length && place.every(isPlace)) return place;
  } catch {
    // Not even JSON: refused below like any other text.
  }
  throw new DomainError(
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
