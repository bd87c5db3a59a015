import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  SubmitTaskRequestSchema,
  SubmitTaskResponseSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { auditTarget } from "./audit-target.ts";

test("the ids of a call are those of its request and its answer, and nothing else of them", () => {
  const request = create(SubmitTaskRequestSchema, {
    requestId: "r1",
    labels: { client_id: "a label and no id" },
    program: { env: { OPENAI_API_KEY: "sk-secret" } },
  });
  const answer = create(SubmitTaskResponseSchema, { task: { taskId: "t1", runId: "t1" } });
  expect(auditTarget(request, answer)).toEqual({ task_id: "t1", run_id: "t1" });
});

test("the ids of a route are those of its parameters and of its answer", () => {
  expect(auditTarget({ id: "t1", name: "n", flow: { task_id: "inner" } }, { task_id: "t2" })).toEqual({
    id: "t1",
    task_id: "t2",
  });
  expect(auditTarget(undefined, "text", ["t1"], null)).toEqual({});
});

test("an id that is none for its length is left out", () => {
  expect(auditTarget({ task_id: "x".repeat(1_000) })).toEqual({});
});
