import { randomUUID } from "node:crypto";
import type { OutgoingHttpHeaders } from "node:http";
import type { Reason } from "../../../lib/errors/domain-error.ts";
import type { ServerReply, ServerRequest } from "../../../lib/rpc/serve.ts";

/** What a plain route answers. */
export interface Answer {
  readonly status: number;
  /** An object is sent as JSON, a string as plain text. */
  readonly body: object | string;
  readonly headers?: OutgoingHttpHeaders;
}

/** The refusal of a plain request, which says the same as that of a call does. */
export function refusal(
  status: number,
  reason: Reason,
  message: string,
  headers: OutgoingHttpHeaders = {},
): Answer {
  return { status, body: { error: { reason, message } }, headers };
}

/** Callers see only what stands here, whatever a browser would like to make of it. */
const guardHeaders: OutgoingHttpHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** A caller's own name for its request may only be of this form, because it is echoed. */
const requestIdForm = /^[\w.:-]{1,100}$/;

/** Sends an answer, without its body to a HEAD request, under the name that the caller gave its request or a new one. */
export function send(request: ServerRequest, response: ServerReply, { status, body, headers }: Answer): void {
  const bytes = Buffer.from(typeof body === "string" ? body : `${JSON.stringify(body)}\n`);
  const all: OutgoingHttpHeaders = {
    ...guardHeaders,
    "content-type": typeof body === "string" ? "text/plain; charset=utf-8" : "application/json",
    "content-length": bytes.length,
    "x-request-id": requestIdOf(request),
    // What is left of a body that was not read would be taken for the next request.
    ...(!request.complete && request.httpVersionMajor === 1 && { connection: "close" }),
    ...headers,
  };
  // The two kinds of response have `writeHead` in common only by name.
  if ("stream" in response) response.writeHead(status, all);
  else response.writeHead(status, all);
  response.end(request.method === "HEAD" ? "" : bytes);
}

function requestIdOf({ headers }: ServerRequest): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && requestIdForm.test(given) ? given : randomUUID();
}
