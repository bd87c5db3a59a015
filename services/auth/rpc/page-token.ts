import { DomainError } from "../../../lib/errors/domain-error.ts";

/** A place in the list called `list`, as a text that callers pass back unread. */
export function pageToken(list: string, place: string | number): string {
  return Buffer.from(JSON.stringify([list, place])).toString("base64url");
}

/** The id that a token names as the place in a list, undefined for an empty token. Throws PAGE_TOKEN_INVALID for one that this list did not give out. */
export function namedPlace(token: string, list: string): string | undefined {
  const place = placeIn(token, list);
  if (place === undefined || (typeof place === "string" && !place.includes("\0"))) return place;
  throw invalid();
}

/** As `namedPlace`, for a list in the order of numbers. */
export function numberedPlace(token: string, list: string): number | undefined {
  const place = placeIn(token, list);
  if (place === undefined || (typeof place === "number" && Number.isSafeInteger(place))) return place;
  throw invalid();
}

/** What stands in a token, which anybody may have made. */
function placeIn(token: string, list: string): unknown {
  if (token === "") return undefined;
  try {
    const [name, place, ...rest] = JSON.parse(Buffer.from(token, "base64url").toString()) as unknown[];
    if (name === list && place !== undefined && rest.length === 0) return place;
  } catch {
    // Not even JSON: refused below like any other text.
  }
  throw invalid();
}

function invalid(): DomainError {
  return DomainError.ofFaults([
    { path: "page_token", reason: "PAGE_TOKEN_INVALID", message: "is not a page token of this list" },
  ]);
}
