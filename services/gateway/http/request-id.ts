import { randomUUID } from "node:crypto";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";

/** A caller's own name for its request may only be of this form, because it is echoed. */
const requestIdForm = /^[\w.:-]{1,100}$/;

/** The name that a caller gave its request in `x-request-id`, or a new one. */
export function requestIdOf({ headers }: Pick<ServerRequest, "headers">): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && requestIdForm.test(given) ? given : randomUUID();
}
