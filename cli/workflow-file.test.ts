import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FailurePolicy } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { CommandFailure } from "./command-failure.ts";
import { readWorkflowFile } from "./workflow-file.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "antiphon-workflow-"));
});

afterEach(() => rm(folder, { recursive: true }));

describe("readWorkflowFile", () => {
  test.each([
    ["flow.json", '{"dag":{"nodes":[{"id":"A","handler":"noop","config":{"x":[1]}}]}}'],
    ["flow.yaml", "dag:\n  nodes:\n    - id: A\n      handler: noop\n      config: {x: [1]}\n"],
    ["flow.yml", "nodes:\n  - {id: A, handler: noop, config: {x: [1]}}\n"],
  ])("reads %s and names it after the file", async (name, text) => {
    const { definition } = await readWorkflowFile(await file(name, text));
    expect(definition.name).toBe("flow");
    expect(definition.dag?.nodes).toMatchObject([{ id: "A", handler: "noop" }]);
    expect(Buffer.from(definition.dag?.nodes[0]?.config ?? []).toString()).toBe('{"x":[1]}');
  });

  test("reads every policy as people write it", async () => {
    const text = `
name: all
input_schema: {type: object}
on_failure: Z
nodes:
  - id: A
    handler: noop
    dependencies: []
    retry: {max_attempts: 5, initial_delay: 1s, multiplier: 3, max_delay: 5m, jitter: 0, non_retryable: [EXIT_CODE]}
    timeout: 1.5s
    queue_timeout: 90
    when: input.x > 1
    on_failure: skip_dependents
    for_each: ["a", "{{ input.b }}"]
    queue: gpu
    labels: {zone: eu}
    priority: -3
    replay_input: true
  - {id: B, handler: noop, for_each: "{{ input.list }}"}
  - {id: C, handler: noop, for_each: {items: [1], max_parallel: 2}}
  - {id: Z, handler: noop}
`;
    const { definition } = await readWorkflowFile(await file("all.yaml", text));
    const [a, b, c] = definition.dag?.nodes ?? [];
    expect(Buffer.from(definition.inputSchema).toString()).toBe('{"type":"object"}');
    expect(definition.dag?.onFailure).toBe("Z");
    expect(a).toMatchObject({
      retry: {
        maxAttempts: 5,
        initialDelay: { seconds: 1n },
        maxDelay: { seconds: 300n },
        nonRetryable: ["EXIT_CODE"],
      },
      timeout: { seconds: 1n, nanos: 500_000_000 },
      queueTimeout: { seconds: 90n },
      when: "input.x > 1",
      onFailure: FailurePolicy.SKIP_DEPENDENTS,
      labels: { zone: "eu" },
      priority: -3,
      replayInput: true,
    });
    expect([a, b, c].map((node) => Buffer.from(node?.forEach?.items ?? []).toString())).toEqual([
      '["a","{{ input.b }}"]',
      '"{{ input.list }}"',
      "[1]",
    ]);
    expect(c?.forEach?.maxParallel).toBe(2);
  });

  test("names every field that is none, and every one of a wrong type, by its path and place", async () => {
    const text = '{"name":"w","dag":{"nodes":[{"id":"A","handlr":"noop"},\n{"id":"B","dependencies":"A"}]}}';
    const { faults } = await failureOf(await file("flow.json", text));
    expect(faults).toMatchObject([
      {
        path: "dag.nodes[0].handlr",
        message: "there is no such field; is handler meant?, at line 1, column 39",
      },
      { path: "dag.nodes[1].dependencies", message: expect.stringContaining("line 2, column 11") },
    ]);
  });

  test.each([
    ["timeout: soon", "timeout", "must be a time such as 1.5s"],
    ["on_failure: continu", "on_failure", "is continue meant?"],
    ["retry: {max_attempt: 3}", "retry.max_attempt", "is max_attempts meant?"],
    ["<<: {handler: noop}", "<<", "there is no such field"],
    ["priority: high", "priority", "must be a number"],
  ])("refuses a node with %s", async (line, path, message) => {
    const { faults } = await failureOf(await file("w.yaml", `nodes:\n  - id: A\n    ${line}\n`));
    expect(faults).toMatchObject([
      { path: `dag.nodes[0].${path}`, message: expect.stringContaining(message) },
    ]);
    expect(faults[0]?.message).toContain("at line 3, column ");
  });

  test.each([
    ["flow.json", "{", "it is not JSON"],
    ["flow.yaml", "a: [", "it is not YAML"],
    ["flow.yaml", "a: *b", "it is not YAML"],
    ["flow.yaml", "a: 1\na: 2", "Map keys must be unique at line 2, column 1"],
    ["flow.yaml", "a: !!js/function x", "Unresolved tag"],
    ["flow.yaml", "a: !!binary aGk=", "Unresolved tag"],
    ["flow.yaml", "? [a]\n: 1", "a key must be a text or a number at line 1, column 1"],
    ["flow.yaml", "--- {}\n--- {}", "multiple documents"],
    ["flow.yaml", "nodes: .nan", "NaN is no number in JSON"],
    ["flow.json", `${"[".repeat(5_000)}${"]".repeat(5_000)}`, "more than 200 levels"],
    ["flow.yaml", `${"[".repeat(5_000)}${"]".repeat(5_000)}`, "it "],
    ["flow.yaml", bomb(), "Excessive alias count"],
  ])("refuses %s that holds %s", async (name, text, message) => {
    expect((await failureOf(await file(name, text))).message).toContain(message);
  });

  test("says that there is no such file", async () => {
    expect((await failureOf(join(folder, "none.json"))).reason).toBe("ENOENT");
  });
});

/** A few lines that stand for a billion values. */
function bomb(): string {
  const lines = Array.from({ length: 9 }, (_, index) => {
    return `a${index + 1}: &a${index + 1} [${Array.from({ length: 10 }, () => `*a${index}`).join(", ")}]`;
  });
  return ["a0: &a0 x", ...lines].join("\n");
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

async function failureOf(path: string): Promise<CommandFailure> {
  const failure = await readWorkflowFile(path).catch((error: unknown) => error);
  if (failure instanceof CommandFailure) return failure;
  throw new Error("the file was taken");
}
