import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Ended, Report as ReportMessage } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { parseTaskId } from "../../lib/ids/task-id.ts";
import type { Report } from "./core/decide-report.ts";
import type { Outcome } from "./core/event.ts";
import { parseJson } from "./core/json.ts";

/** How large an output may be. */
const maxOutputBytes = 1024 * 1024;

/** How long the text of a failure or question may be; more is cut. */
const maxFailureLength = 4 * 1024;
const maxPromptLength = 16 * 1024;

/** A worker's report as the core takes it, or undefined when it says nothing that this code understands. */
export function reportOf(message: ReportMessage): Report | undefined {
  const place = parseTaskId(message.taskId);
  const word = wordOf(message.fact);
  if (place === undefined || word === undefined || message.number < 1) return undefined;
  const sealKey =
    message.fact.case === "leaseRequested" ? Buffer.from(message.fact.value.sealKey).toString("base64") : "";
  return {
    nodeId: place.nodeId,
    attempt: message.attempt,
    number: message.number,
    lease: {
      workerId: message.workerId,
      incarnation: message.incarnation,
      token: message.leaseToken,
      ...(sealKey !== "" && { sealKey }),
    },
    word,
  };
}

function wordOf(fact: ReportMessage["fact"]): Report["word"] | undefined {
  switch (fact.case) {
    case "leaseRequested":
      return { kind: "lease_requested" };
    case "released":
      return { kind: "released" };
    case "started":
      return { kind: "started" };
    case "promptOpened": {
      const { promptId, text, password } = fact.value;
      return { kind: "prompt_opened", promptId, text: text.slice(0, maxPromptLength), password };
    }
    case "sealedAnswerReceived": {
      const { promptId, answeredBy, requestId } = fact.value;
      return { kind: "sealed_answer_received", promptId, answeredBy, requestId };
    }
    case "ended": {
      const outcome = outcomeOf(fact.value.outcome);
      if (outcome === undefined) return undefined;
      const files = fact.value.files.map(({ path, size }) => ({ path, size: Number(size) }));
      return { kind: "ended", outcome, lastSeq: fact.value.lastSeq, files };
    }
    default:
      return undefined;
  }
}

function outcomeOf(outcome: Ended["outcome"]): Outcome | undefined {
  switch (outcome.case) {
    case "output": {
      if (outcome.value.length > maxOutputBytes) {
        return invalidOutput(`the output has ${outcome.value.length} bytes, more than ${maxOutputBytes}`);
      }
      if (outcome.value.length === 0) return { kind: "completed", output: null };
      const parsed = parseJson(outcome.value);
      return "fault" in parsed
        ? invalidOutput(`the output ${parsed.fault}`)
        : { kind: "completed", output: parsed.value };
    }
    case "failed": {
      const { reason, message, exitCode, nonRetryable, retryDelay } = outcome.value;
      return {
        kind: "failed",
        reason: reason === "" ? "HANDLER_FAILED" : reason.slice(0, 100),
        message: message.slice(0, maxFailureLength),
        ...(exitCode !== undefined && { exitCode }),
        ...(nonRetryable && { nonRetryable }),
        ...(retryDelay && { retryDelayMs: durationMs(retryDelay) }),
      };
    }
    case "cancelled":
      return { kind: "cancelled" };
    default:
      return undefined;
  }
}

function invalidOutput(message: string): Outcome {
  return { kind: "failed", reason: "OUTPUT_INVALID", message };
}
