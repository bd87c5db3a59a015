import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

/** One thing wrong with a request. */
export interface Fault {
  /** From the root of the request in proto names: `dag.nodes[2].dependencies[0]`. */
  readonly path: string;
  /** Empty when the server gave none. */
  readonly reason: string;
  readonly message: string;
}

/** What a call that failed says. */
export interface Refusal {
  readonly code: Code;
  /** As `antiphon.common.v1.ErrorReason` without its prefix; empty when the server gave none, or did not answer. */
  readonly reason: string;
  readonly message: string;
  /** What belongs to the reason; its comment in the contract lists the names. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly faults: readonly Fault[];
}

/** Reads what a call rejected with. Accepts anything that was thrown. */
export function refusalOf(thrown: unknown): Refusal {
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "antiphon");
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  return {
    code: error.code,
    reason: info?.reason ?? "",
    message: error.rawMessage,
    metadata: info?.metadata ?? {},
    faults: violations.map(({ field, reason, description }) => ({
      path: field,
      reason,
      message: description,
    })),
  };
}

/** What connect calls the loss of a connection, besides `UNAVAILABLE`: it depends on which side noticed first and when. */
const lostConnectionCodes: readonly Code[] = [Code.Aborted, Code.Canceled, Code.Internal, Code.Unknown];

/**
 * Whether the server could not be reached, or the connection to it broke. The
 * caller's own abort looks the same and is to be ruled out first.
 */
export function isUnreachable(thrown: unknown): boolean {
  const error = ConnectError.from(thrown);
  if (error.code === Code.Unavailable) return ["", "SERVICE_UNAVAILABLE"].includes(refusalOf(error).reason);
  if (error.details.length > 0 || !lostConnectionCodes.includes(error.code)) return false;
  return hasNodeCause(error) || error.code === Code.Aborted || error.code === Code.Canceled;
}

/** Whether what listens there is no server of ours: it speaks no HTTP/2. */
export function isForeignServer(thrown: unknown): boolean {
  const { cause } = ConnectError.from(thrown);
  return cause instanceof Error && "code" in cause && cause.code === "ERR_HTTP2_ERROR";
}

/** Outages that pass, and what a new token or a new stream mends. */
const passingReasons = new Set([
  "SERVICE_UNAVAILABLE",
  "OWNER_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "BROKER_UNAVAILABLE",
  "WATCHER_TOO_SLOW",
  "TOO_MANY_CALLS",
  "TOKEN_EXPIRED",
]);

/** Whether a stream that failed so may be taken up again where it broke. */
export function mayResume(thrown: unknown): boolean {
  return isUnreachable(thrown) || passingReasons.has(refusalOf(thrown).reason);
}

function hasNodeCause({ cause }: ConnectError): boolean {
  return cause instanceof Error && "code" in cause;
}
