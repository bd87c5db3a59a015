import { type DescMessage, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { BrokerUnavailable } from "../broker/broker.ts";
import { DomainError, type Reason } from "../errors/domain-error.ts";
import { isConnectionLost } from "../postgres/errors.ts";

/** The domain of every `ErrorInfo` of ours. */
export const errorDomain = "antiphon";

/** What a caller is asked to wait before it repeats a call that met an outage. */
const retryDelayMs = 1_000;

/** The status code that each reason comes with, as the comments in `error_reason.proto` promise it. */
export const codeOf: Readonly<Record<Reason, Code>> = {
  FIELD_INVALID: Code.InvalidArgument,
  DAG_CYCLE: Code.InvalidArgument,
  DUPLICATE_NODE: Code.InvalidArgument,
  UNKNOWN_DEPENDENCY: Code.InvalidArgument,
  UNKNOWN_HANDLER: Code.InvalidArgument,
  TEMPLATE_INVALID: Code.InvalidArgument,
  FILE_REJECTED: Code.InvalidArgument,
  PAGE_TOKEN_INVALID: Code.InvalidArgument,
  TOO_LARGE: Code.ResourceExhausted,
  CONDITION_INVALID: Code.InvalidArgument,
  SIGNAL_LIMIT: Code.ResourceExhausted,
  TASK_LIMIT: Code.ResourceExhausted,
  UPLOAD_LIMIT: Code.ResourceExhausted,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  CLIENT_EXISTS: Code.AlreadyExists,
  TASK_NOT_FOUND: Code.NotFound,
  RUN_NOT_FOUND: Code.NotFound,
  WORKFLOW_NOT_FOUND: Code.NotFound,
  PROMPT_NOT_FOUND: Code.NotFound,
  ROUTE_NOT_FOUND: Code.NotFound,
  SCHEDULE_NOT_FOUND: Code.NotFound,
  UPLOAD_NOT_FOUND: Code.NotFound,
  CLIENT_NOT_FOUND: Code.NotFound,
  PROMPT_CLOSED: Code.FailedPrecondition,
  LEASE_LOST: Code.FailedPrecondition,
  NOT_ENDED: Code.FailedPrecondition,
  WORKER_SUPERSEDED: Code.FailedPrecondition,
  SANDBOX_UNAVAILABLE: Code.FailedPrecondition,
  RUN_ENDED: Code.FailedPrecondition,
  WORKFLOW_IN_USE: Code.FailedPrecondition,
  TASK_ACTIVE: Code.FailedPrecondition,
  OWN_CLIENT: Code.FailedPrecondition,
  TOKEN_MISSING: Code.Unauthenticated,
  TOKEN_INVALID: Code.Unauthenticated,
  TOKEN_EXPIRED: Code.Unauthenticated,
  CREDENTIALS_INVALID: Code.Unauthenticated,
  WRONG_AUDIENCE: Code.PermissionDenied,
  MISSING_SCOPE: Code.PermissionDenied,
  TOKEN_REVOKED: Code.Unauthenticated,
  NOT_PERMITTED: Code.PermissionDenied,
  HOST_NOT_TRUSTED: Code.PermissionDenied,
  ORIGIN_NOT_TRUSTED: Code.PermissionDenied,
  WATCHER_TOO_SLOW: Code.ResourceExhausted,
  TOO_MANY_CALLS: Code.ResourceExhausted,
  RATE_LIMITED: Code.ResourceExhausted,
  OWNER_UNAVAILABLE: Code.Unavailable,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  BROKER_UNAVAILABLE: Code.Unavailable,
  SERVICE_UNAVAILABLE: Code.Unavailable,
  ANSWER_UNDELIVERED: Code.Unavailable,
};

/** The reason of an error that Connect raises itself, by its code; others have none. */
const reasonOfConnect: Readonly<Partial<Record<Code, Reason>>> = {
  [Code.InvalidArgument]: "FIELD_INVALID",
  [Code.ResourceExhausted]: "TOO_LARGE",
  [Code.Unimplemented]: "ROUTE_NOT_FOUND",
  [Code.Unavailable]: "SERVICE_UNAVAILABLE",
};

/** How Connect begins what it says of a message whose bytes are not of its type or not compressed as it says; it takes the code INTERNAL for that. */
const undecodable = /^(parse binary: |decompression failed$)/;

/** The challenge that goes with a refused token (RFC 6750 §3). */
const challengeOf: Readonly<Partial<Record<Reason, string>>> = {
  TOKEN_MISSING: "Bearer",
  TOKEN_INVALID: 'Bearer error="invalid_token"',
  TOKEN_EXPIRED: 'Bearer error="invalid_token", error_description="the token has expired"',
  TOKEN_REVOKED: 'Bearer error="invalid_token", error_description="the token was taken back"',
  MISSING_SCOPE: 'Bearer error="insufficient_scope"',
};

/**
 * Turns whatever a handler threw into what the caller may see.
 *
 * A refusal, an outage and what Connect raises itself get their code and
 * details; a cancelled or late call stays what it is; anything else is a
 * defect, of which the caller sees `INTERNAL` without text and the log, by
 * `cause`, all.
 */
export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return ofConnect(thrown);
  if (thrown instanceof DomainError) return refusal(thrown);
  if (thrown instanceof BrokerUnavailable)
    return refusal(
      new DomainError("BROKER_UNAVAILABLE", "the broker does not answer", {}, { cause: thrown }),
    );
  if (isConnectionLost(thrown))
    return refusal(
      new DomainError("DATABASE_UNAVAILABLE", "the database does not answer", {}, { cause: thrown }),
    );
  if (thrown instanceof Error && thrown.name === "AbortError")
    return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, thrown);
  if (thrown instanceof Error && thrown.name === "TimeoutError")
    return new ConnectError("the deadline has passed", Code.DeadlineExceeded, undefined, undefined, thrown);
  return new ConnectError("internal error", Code.Internal, undefined, undefined, thrown);
}

/**
 * Adds reason and details to an error that Connect raised itself while it read
 * a request (a message that is too large or can not be decoded) and that has
 * none; in place, because it is on its way out already.
 */
export function explainConnectError(
  error: ConnectError,
  metadata: Readonly<Record<string, string>> = {},
): void {
  if (error.code === Code.Internal && undecodable.test(error.rawMessage)) {
    Object.assign(error, { code: Code.InvalidArgument });
  }
  const reason = reasonOfConnect[error.code];
  if (reason === undefined || error.details.length > 0) return;
  error.details = detailsOf(new DomainError(reason, error.rawMessage, metadata), error.code);
}

function refusal(error: DomainError, code: Code = codeOf[error.reason]): ConnectError {
  const challenge = challengeOf[error.reason];
  const header = challenge === undefined ? undefined : { "www-authenticate": challenge };
  return new ConnectError(error.message, code, header, detailsOf(error, code), error.cause);
}

/** An error of Connect's own, or of a service that was called, whose details are passed on. */
function ofConnect(error: ConnectError): ConnectError {
  if (error.details.length > 0) {
    error.details = error.details.map((passedOn) => ("desc" in passedOn ? passedOn : unpacked(passedOn)));
    return error;
  }
  if (error.code === Code.Canceled || error.code === Code.DeadlineExceeded) return error;
  // Connect says "aborted" when a peer hangs up in the middle of a call.
  if (error.code === Code.Unavailable || error.code === Code.Aborted) {
    return refusal(
      new DomainError(
        "SERVICE_UNAVAILABLE",
        "a service behind this one does not answer",
        {},
        { cause: error },
      ),
    );
  }
  if (error.code === Code.Internal || error.code === Code.Unknown)
    return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
  explainConnectError(error);
  return error;
}

/** A detail that came packed from another service, unpacked where we know it, so that JSON callers can read it. */
function unpacked(packed: { readonly type: string; readonly value: Uint8Array }): typeof packed | Detail {
  const desc = [ErrorInfoSchema, BadRequestSchema, RetryInfoSchema].find(
    ({ typeName }) => typeName === packed.type,
  );
  if (desc === undefined) return packed;
  try {
    return { desc, value: fromBinary<DescMessage>(desc, packed.value) };
  } catch {
    return packed;
  }
}

interface Detail {
  readonly desc: DescMessage;
  readonly value: MessageInitShape<DescMessage>;
}

function detailsOf({ reason, metadata, faults, retryAfterMs }: DomainError, code: Code): Detail[] {
  const details = [detail(ErrorInfoSchema, { reason, domain: errorDomain, metadata: { ...metadata } })];
  if (faults.length > 0) {
    const fieldViolations = faults.map(({ path, reason, message }) => ({
      field: path,
      reason,
      description: message,
    }));
    details.push(detail(BadRequestSchema, { fieldViolations }));
  }
  const passes = code === Code.Unavailable || reason === "TOO_MANY_CALLS";
  const waitMs = retryAfterMs ?? (passes ? retryDelayMs : undefined);
  if (waitMs !== undefined)
    details.push(detail(RetryInfoSchema, { retryDelay: durationFromMs(Math.ceil(waitMs)) }));
  return details;
}

function detail<Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>): Detail {
  return { desc, value };
}

/** An error with the code UNIMPLEMENTED, as gRPC and Connect demand it for a procedure that nobody serves. */
export function unknownProcedure(path: string): ConnectError {
  return refusal(new DomainError("ROUTE_NOT_FOUND", `nothing is served at ${path}`), Code.Unimplemented);
}
