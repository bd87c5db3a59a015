import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { DomainError, type Reason } from "../../../lib/errors/domain-error.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { isOutage } from "../outage.ts";
import { type FieldRefusal, HttpRefusal } from "./http-refusal.ts";
import type { ErrorStyle, HttpAnswer } from "./route.ts";

/** What people read of a defect of ours, in every style. */
const defectMessage = "An unexpected error occurred.";

/** Where problem types are named (RFC 9457); the reason comes behind it. Not to be fetched. */
const problemBase = "urn:antiphon:problem:";

const statusOf: Readonly<Partial<Record<Code, number>>> = {
  [Code.Canceled]: 499,
  [Code.InvalidArgument]: 400,
  [Code.DeadlineExceeded]: 504,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 409,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unimplemented]: 404,
  [Code.Unavailable]: 503,
  [Code.Unauthenticated]: 401,
};

/** The refusal that a thrown value is, whatever threw it; 500 without text for a defect. */
export function refusalOf(thrown: unknown, style: ErrorStyle): HttpRefusal {
  if (thrown instanceof HttpRefusal) return thrown;
  const error = toConnectError(outageIn(thrown) ?? thrown);
  const { reason, message, faults } = fromConnectError(error);
  const status = statusFor(error.code, reason, style);
  if (status === 500) return new HttpRefusal(500, defectMessage, { cause: error.cause ?? error });
  return new HttpRefusal(status, shownMessage(reason, message, style), {
    ...(reason && { reason }),
    fields: faults.map(({ path, reason, message }) => ({ at: [path], type: reason.toLowerCase(), message })),
    headers: headersOf(error, status),
    cause: error.cause,
  });
}

/** The outage that a call of a service behind met, which its caller may mend by trying again. */
function outageIn(thrown: unknown): DomainError | undefined {
  if (!(thrown instanceof ConnectError) || !isOutage(thrown)) return undefined;
  return new DomainError("SERVICE_UNAVAILABLE", "a service behind does not answer", {}, { cause: thrown });
}

/** A refusal as its route's callers know refusals. */
export function refusalAnswer(refusal: HttpRefusal, style: ErrorStyle, requestId: string): HttpAnswer {
  const { message, reason, fields, headers } = refusal;
  // OAuth knows only 400 for a request that is not as it should be.
  const status = style === "oauth" && refusal.status === 422 ? 400 : refusal.status;
  const contentType = style === "problem" ? "application/problem+json" : "application/json";
  return {
    status,
    headers: { "content-type": contentType, ...headers },
    body: bodyOf[style]({ status, message, reason, fields, requestId, oauthError: refusal.oauthError }),
  };
}

interface Shown {
  readonly status: number;
  readonly message: string;
  readonly reason: Reason | undefined;
  readonly fields: readonly FieldRefusal[];
  readonly requestId: string;
  readonly oauthError: string | undefined;
}

const bodyOf: Readonly<Record<ErrorStyle, (shown: Shown) => object>> = {
  waldiez: ({ status, message, reason, fields }) => ({
    detail:
      status === 422
        ? fields.map(({ at, type, message, input }) => ({
            type,
            loc: at,
            msg: message,
            input: input ?? null,
          }))
        : message,
    ...(reason && { reason }),
  }),
  problem: ({ status, message, reason, fields, requestId }) => ({
    type: reason === undefined ? "about:blank" : problemBase + reason.toLowerCase().replaceAll("_", "-"),
    title: titleOf(reason, status),
    status,
    detail: message,
    instance: requestId,
    ...(reason && { reason }),
    ...(fields.length > 0 && {
      errors: fields.map(({ at, type, message }) => ({ path: at.join("."), reason: type, message })),
    }),
  }),
  oauth: ({ status, message, reason, oauthError }) => ({
    error: oauthError ?? oauthErrorOf(status),
    error_description: message,
    detail: message,
    ...(reason && { reason }),
  }),
};

function statusFor(code: Code, reason: Reason | undefined, style: ErrorStyle): number {
  if (reason === "TOO_LARGE") return 413;
  // The Waldiez runner knows neither 403 for a token of another kind nor 409.
  if (style === "waldiez" && code === Code.FailedPrecondition) return 400;
  if (style === "waldiez" && reason === "WRONG_AUDIENCE") return 401;
  return statusOf[code] ?? 500;
}

function shownMessage(reason: Reason | undefined, message: string, style: ErrorStyle): string {
  if (style !== "waldiez") return message;
  if (reason === "TOKEN_MISSING") return "Not authenticated";
  const isForeign = reason === "TOKEN_INVALID" || reason === "TOKEN_EXPIRED" || reason === "TOKEN_REVOKED";
  return isForeign || reason === "WRONG_AUDIENCE" ? "Invalid credentials." : message;
}

function headersOf(error: ConnectError, status: number): Record<string, string> {
  const challenge = error.metadata.get("www-authenticate");
  const [retry] = error.findDetails(RetryInfoSchema);
  const delay = retry?.retryDelay;
  const seconds = delay === undefined ? undefined : Number(delay.seconds) + (delay.nanos > 0 ? 1 : 0);
  return {
    ...(status === 401 && { "www-authenticate": challenge ?? "Bearer" }),
    ...((status === 429 || status === 503) && { "retry-after": String(Math.max(seconds ?? 1, 1)) }),
  };
}

function titleOf(reason: Reason | undefined, status: number): string {
  if (reason === undefined) return status === 500 ? "Internal error" : "Refused";
  const words = reason.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function oauthErrorOf(status: number): string {
  if (status === 401) return "invalid_client";
  if (status === 429 || status === 503) return "temporarily_unavailable";
  return status >= 500 ? "server_error" : "invalid_request";
}
