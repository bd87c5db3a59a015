import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Ended, EndedSchema, FailedSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { boundedText } from "./bounded-text.ts";

/** The kinds of failure that a worker reports; their meaning stands at `antiphon.scheduler.v1.Failure`. */
export type FailureReason =
  | "EXIT_CODE"
  | "SIGNAL"
  | "HANDLER_FAILED"
  | "WALL_TIME_LIMIT"
  | "CPU_TIME_LIMIT"
  | "MEMORY_LIMIT"
  | "STORAGE_LIMIT"
  | "ENVIRONMENT_FAILED"
  | "SANDBOX_UNAVAILABLE"
  | "OUTPUT_INVALID"
  | "CONFIG_INVALID"
  | "HTTP_STATUS"
  | "NETWORK_ERROR"
  | "CALL_TIMEOUT"
  | "ADDRESS_REFUSED"
  | "REDIRECT_REFUSED"
  | "RESPONSE_TOO_LARGE"
  | "RESPONSE_INVALID"
  | "LLM_NOT_CONFIGURED"
  | "SIMULATED_FAILURE";

/** What went wrong, for people in `message`. */
export interface Failure {
  readonly kind: "failed";
  readonly reason: FailureReason;
  readonly message: string;
  readonly exitCode?: number;
  /** No other attempt will do better, whatever the node's policy says. */
  readonly nonRetryable?: boolean;
  /** When another attempt makes sense, in ms from now; in place of the delay that the policy gives. */
  readonly retryDelayMs?: number;
}

/** A file that was left behind and is stored. */
export interface StoredFile {
  readonly path: string;
  readonly size: number;
}

/** How an attempt ended. */
export type Outcome =
  | {
      readonly kind: "completed";
      readonly output: Uint8Array;
      /** The digest of an output that is stored apart, in place of `output`. */
      readonly storedAs?: Uint8Array;
      readonly files?: readonly StoredFile[];
    }
  | (Failure & { readonly files?: readonly StoredFile[] })
  | { readonly kind: "cancelled" };

/** The contract's bounds on an output and on a failure's message, in bytes. */
export const maxOutputBytes = 1_048_576;
const maxMessageBytes = 4_096;

/** The contract's bound on a delay that a failure names. */
const maxRetryDelayMs = 7 * 86_400_000;

/** The report of an outcome, with the number of the attempt's last transcript entry. An output over its bound is a failure. */
export function endedOf(outcome: Outcome, lastSeq: number): Ended {
  const files = outcome.kind === "cancelled" ? [] : (outcome.files ?? []);
  return create(EndedSchema, {
    lastSeq,
    files: files.map(({ path, size }) => ({ path, size: BigInt(size) })),
    outcome: reportedOutcome(outcome),
  });
}

function reportedOutcome(outcome: Outcome): Ended["outcome"] {
  switch (outcome.kind) {
    case "completed":
      if (outcome.output.length > maxOutputBytes)
        return reportedOutcome(outputTooLarge(outcome.output.length));
      return outcome.storedAs === undefined
        ? { case: "output", value: outcome.output }
        : { case: "storedOutput", value: outcome.storedAs };
    case "failed": {
      const { reason, exitCode, nonRetryable = false, retryDelayMs } = outcome;
      const failed = create(FailedSchema, {
        reason,
        message: boundedText(outcome.message, maxMessageBytes),
        nonRetryable,
        ...(exitCode !== undefined && { exitCode }),
        ...(retryDelayMs !== undefined && {
          retryDelay: durationFromMs(Math.min(retryDelayMs, maxRetryDelayMs)),
        }),
      });
      return { case: "failed", value: failed };
    }
    case "cancelled":
      return { case: "cancelled", value: { $typeName: "antiphon.worker.v1.Cancelled" } };
  }
}

function outputTooLarge(bytes: number): Failure {
  return {
    kind: "failed",
    reason: "OUTPUT_INVALID",
    message: `the output has ${bytes} bytes; at most ${maxOutputBytes} are kept`,
  };
}
