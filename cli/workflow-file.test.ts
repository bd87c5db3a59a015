import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
  ])("reads %s and names it after the file", async (name, text) => {
    const { name: given, dag } = await readWorkflowFile(await file(name, text));
    expect(given).toBe("flow");
    expect(dag?.nodes).toMatchObject([{ id: "A", handler: "noop" }]);
    expect(Buffer.from(dag?.nodes[0]?.config ?? []).toString()).toBe('{"x":[1]}');
  });

  test("names every field that is none, and every one of a wrong type, by its path", async () => {
    const text = '{"name":"w","dag":{"nodes":[{"id":"A","handlr":"noop"},{"id":"B","dependencies":"A"}]}}';
    const failure = await failureOf(await file("flow.json", text));
    expect(failure.faults.map(({ path }) => path)).toEqual([
      "dag.nodes[0].handlr",
      "dag.nodes[1].dependencies",
    ]);
  });

  test.each([
    ["flow.json", "{", "it is not JSON"],
    ["flow.yaml", "a: [", "it is not YAML"],
    ["flow.yml", "- a", "it is no object"],
    ["flow.yaml", "a: *b", "it is not YAML"],
  ])("refuses %s that holds %j", async (name, text, message) => {
    expect((await failureOf(await file(name, text))).message).toContain(message);
  });

  test("says that there is no such file", async () => {
    expect((await failureOf(join(folder, "none.json"))).reason).toBe("ENOENT");
  });
});

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
