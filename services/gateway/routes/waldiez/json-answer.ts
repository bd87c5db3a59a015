import { entityTag, namesTag } from "../../http/entity-tag.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import type { HttpAnswer, HttpCall } from "../../http/route.ts";

/** Answers 200 with JSON and its entity tag. */
export function taggedAnswer(body: object): HttpAnswer & { readonly headers: { readonly etag: string } } {
  const text = JSON.stringify(body);
  return { status: 200, body: text, headers: { etag: entityTag(text), "content-type": "application/json" } };
}

/** Likewise what was only looked at, or 304 to a caller that has it already. */
export function jsonAnswer({ headers }: Pick<HttpCall, "headers">, body: object): HttpAnswer {
  const answer = taggedAnswer(body);
  const { etag } = answer.headers;
  return namesTag(headers["if-none-match"], etag) ? { status: 304, headers: { etag } } : answer;
}

/** Throws HttpRefusal 412 when the caller wants to change what is not there any more: its `If-Match` names another tag than that of `current`. */
export function refuseUnlessMatched({ headers }: Pick<HttpCall, "headers">, current: object): void {
  const wanted = headers["if-match"];
  if (wanted === undefined || namesTag(wanted, entityTag(JSON.stringify(current)))) return;
  throw new HttpRefusal(412, "it has changed since", { reason: "FIELD_INVALID" });
}
