import type { Report } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { isRunId, parseTaskId } from "../../lib/ids/task-id.ts";

/** How many bytes a report may have: an output, and the names of all files that an attempt may leave. */
export const maxReportBytes = 8 * 1024 * 1024;

const maxFiles = 1_000;
const maxPathLength = 5_000;

/** The names of workers and their processes, and what they draw at random. */
const nameForm = /^[A-Za-z0-9._-]{1,100}$/;

/** Ids of clients and of their requests, which the edge has bounded. */
const maxIdLength = 200;

const sealKeyBytes = 32;

/** Why a report comes from no worker that keeps to the contract; undefined when nothing speaks against it. */
export function reportFault(report: Report): string | undefined {
  const { workerId, incarnation, leaseToken, runId, taskId, attempt, number } = report;
  if (!isRunId(runId) || parseTaskId(taskId)?.runId !== runId) return "names no task";
  if (attempt < 1 || number < 1) return "has no attempt or no number";
  if (!nameForm.test(workerId) || !nameForm.test(incarnation)) return "names no worker";
  if (!nameForm.test(leaseToken)) return "has no lease token";
  return factFault(report.fact);
}

function factFault({ case: kind, value }: Report["fact"]): string | undefined {
  switch (kind) {
    case "leaseRequested":
      return value.sealKey.length === 0 || value.sealKey.length === sealKeyBytes
        ? undefined
        : "has a key of the wrong length";
    case "promptOpened":
      return nameForm.test(value.promptId) ? undefined : "names no prompt";
    case "sealedAnswerReceived": {
      const { promptId, answeredBy, requestId } = value;
      if (!nameForm.test(promptId)) return "names no prompt";
      const isShort = answeredBy.length <= maxIdLength && requestId.length <= maxIdLength;
      return isShort ? undefined : "names no answer";
    }
    case "ended": {
      if (value.lastSeq < 0) return "has a last entry below 0";
      if (value.files.length > maxFiles) return `has more than ${maxFiles} files`;
      const isFile = ({ path, size }: (typeof value.files)[number]) =>
        path.length > 0 && path.length <= maxPathLength && size >= 0n && size <= Number.MAX_SAFE_INTEGER;
      return value.files.every(isFile) ? undefined : "names a file without a fitting path or size";
    }
    default:
      return undefined;
  }
}
