import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { isPassing } from "../events/followed-task.ts";

/** How a WebSocket is closed: a status code (RFC 6455 §7.4) and a text for people. */
export interface CloseReason {
  readonly code: number;
  readonly text: string;
}

/** The task has ended and everything was sent. */
export const ended: CloseReason = { code: 1000, text: "the task has ended" };

/** This server stops; another one goes on. */
export const goingAway: CloseReason = { code: 1001, text: "the server is stopping" };

/** What a token that is good no longer closes with: 4000 and HTTP's 401. */
const unauthenticated = 4401;

const policyViolation = 1008;

/** A defect of ours. */
export const internalError: CloseReason = { code: 1011, text: "an unexpected error occurred" };

const tryAgainLater = 1013;

/** How a WebSocket is closed whose task can not be followed any longer. */
export function closeReasonOf(thrown: unknown): CloseReason {
  const { reason } = fromConnectError(thrown);
  switch (reason) {
    case "TOKEN_EXPIRED":
    case "TOKEN_REVOKED":
    case "TOKEN_INVALID":
      return { code: unauthenticated, text: reason };
    case "TASK_NOT_FOUND":
      return { code: ended.code, text: "the task was removed" };
    case undefined:
    default:
      if (isPassing(thrown)) return { code: tryAgainLater, text: reason ?? "SERVICE_UNAVAILABLE" };
      return reason === undefined ? internalError : { code: policyViolation, text: reason };
  }
}
