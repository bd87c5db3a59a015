import type { JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  CreateWorkflowRequestSchema,
  SubmitTaskRequestSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { GetTranscriptRequestSchema } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { HealthListResponseSchema } from "../../gen/health/v1/health_pb.ts";
import { jsonFaults } from "./strict-json.ts";

describe("jsonFaults", () => {
  const paths = (...of: Parameters<typeof jsonFaults>) => jsonFaults(...of).map(({ path }) => path);

  test("finds none in what can be decoded, in either spelling and with nulls", () => {
    expect(
      jsonFaults(GetTranscriptRequestSchema, { task_id: "t", pageSize: 3, wait: "1.5s", after: null }),
    ).toEqual([]);
  });

  test.each<[string, JsonValue, string[]]>([
    ["a field that there is not", { nam: "w" }, ["nam"]],
    ["one within a list", { dag: { nodes: [{}, { dependecies: [] }] } }, ["dag.nodes[1].dependecies"]],
    ["a value of another type", { name: 7 }, ["name"]],
    [
      "an element of another type",
      { dag: { nodes: [{ dependencies: ["A", {}] }] } },
      ["dag.nodes[0].dependencies[1]"],
    ],
    ["what is no base64", { dag: { nodes: [{ config: "{!}" }] } }, ["dag.nodes[0].config"]],
    ["an object in place of a list", { dag: { nodes: {} } }, ["dag.nodes"]],
    ["a list in place of an object", { dag: [] }, ["dag"]],
    ["a field in both spellings", { request_id: "a", requestId: "b" }, [""]],
    ["a list in place of the message", [], [""]],
    ["several at once", { nam: "w", dag: { edges: [] } }, ["nam", "dag.edges"]],
    ["a key that JavaScript gives a meaning", JSON.parse('{"__proto__": {}}') as JsonValue, ["__proto__"]],
  ])("names %s by its path in proto names", (_what, json, expected) => {
    expect(paths(CreateWorkflowRequestSchema, json)).toEqual(expected);
  });

  test("names values of maps by their keys", () => {
    const json = { statuses: { a: { status: "SERVING" }, b: { status: "SINGING" } } };
    expect(jsonFaults(HealthListResponseSchema, json)).toMatchObject([
      {
        path: 'statuses["b"].status',
        message: "is not one of the values of grpc.health.v1.HealthCheckResponse.ServingStatus",
      },
    ]);
  });

  test("says which form a duration has not", () => {
    expect(jsonFaults(GetTranscriptRequestSchema, { wait: 5 })).toMatchObject([
      { path: "wait", message: "is not a google.protobuf.Duration" },
    ]);
  });

  test("repeats no value", () => {
    const faults = jsonFaults(SubmitTaskRequestSchema, { hunter2: 1, requestId: { hunter3: 1 } });
    expect(JSON.stringify(faults)).not.toContain("hunter3");
  });

  test("lists a bounded number", () => {
    const json = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`x${index}`, 1]));
    expect(paths(CreateWorkflowRequestSchema, json)).toHaveLength(20);
  });

  test("looks no further than what it lists", () => {
    let looked = 0;
    const wrong = Array.from({ length: 1_000 }, () => ({
      get handlr() {
        looked += 1;
        return "noop";
      },
    }));
    expect(paths(CreateWorkflowRequestSchema, { dag: { nodes: wrong } })).toHaveLength(20);
    expect(looked).toBeLessThan(100);
  });
});
