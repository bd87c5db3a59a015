import type { Report } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { PayloadKey, PayloadStore } from "./payload-store.ts";

/** Where the output is that a report names without bringing it; undefined when it names none. */
export function storedOutputOf({ runId, fact }: Report): PayloadKey | undefined {
  if (fact.case !== "ended" || fact.value.outcome.case !== "storedOutput") return undefined;
  return { runId, digest: fact.value.outcome.value };
}

/** A report with the output in place that it names; one whose output is not kept any more says that the attempt failed. */
export async function withStoredOutput(
  report: Report,
  payloads: Pick<PayloadStore, "read">,
): Promise<Report> {
  const key = storedOutputOf(report);
  if (key === undefined || report.fact.case !== "ended") return report;
  const content = await payloads.read(key);
  const { value: ended } = report.fact;
  const message = "the output that the worker stored is not there";
  const missing = {
    $typeName: "antiphon.worker.v1.Failed",
    reason: "OUTPUT_INVALID",
    message,
    nonRetryable: false,
  } as const;
  const outcome =
    content === undefined
      ? ({ case: "failed", value: missing } as const)
      : ({ case: "output", value: content } as const);
  return { ...report, fact: { case: "ended", value: { ...ended, outcome } } };
}
