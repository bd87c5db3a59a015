import type { OutgoingHttpHeaders } from "node:http";
import type { Reason } from "../../../lib/errors/domain-error.ts";

/** What is wrong with one field, by where it stands: `["query", "page"]`, `["body", "file"]`. */
export interface FieldRefusal {
  readonly at: readonly (string | number)[];
  /** The kind, in lower case: `missing`, `too_big`. */
  readonly type: string;
  readonly message: string;
  /** What was sent, where it may be repeated. */
  readonly input?: string | number | boolean | null;
}

/** A refusal that is HTTP's own, with the status that a route's callers know it by. The message is shown to them. */
export class HttpRefusal extends Error {
  override readonly name = "HttpRefusal";
  readonly status: number;
  readonly reason: Reason | undefined;
  readonly fields: readonly FieldRefusal[];
  readonly headers: OutgoingHttpHeaders;
  /** What OAuth calls it (RFC 6749 §5.2); for routes of that style. */
  readonly oauthError: string | undefined;

  constructor(
    status: number,
    message: string,
    {
      reason,
      fields = [],
      headers = {},
      oauthError,
      cause,
    }: {
      readonly reason?: Reason;
      readonly fields?: readonly FieldRefusal[];
      readonly headers?: OutgoingHttpHeaders;
      readonly oauthError?: string;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.reason = reason;
    this.fields = fields;
    this.headers = headers;
    this.oauthError = oauthError;
  }
}
