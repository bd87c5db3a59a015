import type { IncomingHttpHeaders } from "node:http";
import { HttpRefusal } from "./http-refusal.ts";

/** As long as a `request_id` may be. */
const maxLength = 100;

/** The caller's `Idempotency-Key`, which is the `request_id` of what a request does; empty when there is none. Throws HttpRefusal 400 for one that is too long. */
export function idempotencyKeyOf(headers: IncomingHttpHeaders): string {
  const given = headers["idempotency-key"];
  const key = typeof given === "string" ? given.trim() : "";
  if (key.length <= maxLength) return key;
  throw new HttpRefusal(400, `Idempotency-Key has more than ${maxLength} characters`, {
    reason: "FIELD_INVALID",
  });
}
