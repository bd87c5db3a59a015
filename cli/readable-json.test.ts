import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  GetRunResultsResponseSchema,
  ListTasksResponseSchema,
} from "../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { WorkflowSchema } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { readableJson } from "./readable-json.ts";

describe("readableJson", () => {
  test("shows bytes that hold JSON as that JSON, wherever they stand", () => {
    const tasks = [{ taskId: "t1", output: Buffer.from('{"a":1}') }, { taskId: "t2" }];
    const shown = readableJson(ListTasksResponseSchema, create(ListTasksResponseSchema, { tasks }));
    expect(shown).toMatchObject({ tasks: [{ taskId: "t1", output: { a: 1 } }, { taskId: "t2" }] });
    expect(JSON.stringify(shown)).not.toContain("null");
    const dag = { nodes: [{ id: "A", config: Buffer.from('{"x":"{{ input.y }}"}') }] };
    expect(readableJson(WorkflowSchema, create(WorkflowSchema, { dag }))).toMatchObject({
      dag: { nodes: [{ id: "A", config: { x: "{{ input.y }}" } }] },
    });
  });

  test("shows the values of a map as JSON", () => {
    const results = { A: Buffer.from("[1]"), B: Buffer.from('"x"') };
    const message = create(GetRunResultsResponseSchema, { results });
    expect(readableJson(GetRunResultsResponseSchema, message)).toMatchObject({ results: { A: [1], B: "x" } });
  });
});
