import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ReportSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { reportFault } from "./report-fault.ts";

type ReportInit = MessageInitShape<typeof ReportSchema>;

const runId = "00000000-0000-8000-8000-000000000000";
const file = { path: "out/a.txt", size: 3n };

const aReport = (more: ReportInit = {}) =>
  create(ReportSchema, {
    workerId: "w-1",
    incarnation: "6b7e",
    leaseToken: "c0ffee",
    runId,
    taskId: `${runId}.A`,
    attempt: 1,
    number: 1,
    ...more,
  });

const facts: Record<string, NonNullable<ReportInit["fact"]>> = {
  "a request for the lease": { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } },
  "a request without a key": { case: "leaseRequested", value: {} },
  "a start": { case: "started", value: {} },
  "a prompt": { case: "promptOpened", value: { promptId: "p-1", text: "?" } },
  "a receipt": { case: "sealedAnswerReceived", value: { promptId: "p-1", answeredBy: "c", requestId: "r" } },
  "an end": { case: "ended", value: { lastSeq: 7, files: [file] } },
};

const faults: Record<string, ReportInit> = {
  "no task": { taskId: "" },
  "a task of another run": { taskId: "00000000-0000-8000-8000-000000000001.A" },
  "no attempt": { attempt: 0 },
  "no number": { number: 0 },
  "no worker": { workerId: "" },
  "an endless worker id": { workerId: "w".repeat(101) },
  "an endless incarnation": { incarnation: "i".repeat(101) },
  "an endless token": { leaseToken: "t".repeat(101) },
  "an endless prompt id": { fact: { case: "promptOpened", value: { promptId: "p".repeat(101) } } },
  "a receipt of an endless answer": {
    fact: { case: "sealedAnswerReceived", value: { promptId: "p", requestId: "r".repeat(201) } },
  },
  "half a key": { fact: { case: "leaseRequested", value: { sealKey: new Uint8Array(16) } } },
  "a last entry below 0": { fact: { case: "ended", value: { lastSeq: -1 } } },
  "too many files": { fact: { case: "ended", value: { files: Array.from({ length: 1_001 }, () => file) } } },
  "a file without a path": { fact: { case: "ended", value: { files: [{ path: "", size: 1n }] } } },
  "a file of less than nothing": { fact: { case: "ended", value: { files: [{ path: "a", size: -1n }] } } },
};

describe("reportFault", () => {
  test.each(Object.keys(facts))("finds nothing wrong with %s", (name) => {
    expect(reportFault(aReport({ fact: facts[name] ?? { case: undefined } }))).toBeUndefined();
  });

  test.each(Object.keys(faults))("refuses a report with %s", (name) => {
    expect(reportFault(aReport(faults[name]))).toMatch(/^(names|has) /);
  });
});
