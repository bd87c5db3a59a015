/*
 * The command line with a real server: what programs are given, and how their
 * tasks are found again.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { CommandLine } from "../support/command-line.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";

const source = `
import os, sys
print(os.environ["API_KEY"][::-1], os.environ["MODEL"], *sys.argv[1:], flush=True)
print("answered with", repr(input("go on? ")))
`;

describe("antiphon with programs", { timeout: 600_000 }, () => {
  let server: Antiphon;
  let folder: TemporaryFolder;
  let file: string;

  beforeAll(async () => {
    server = await startAllInOne();
    folder = await temporaryFolder("cli-e2e");
    file = join(folder.path, "a.py");
    await writeFile(file, source);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const antiphon = async (line: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    using command = CommandLine.piped(line, { ANTIPHON_DATA_DIR: server.dataDirectory, ...more });
    return await command.end();
  };
  const submitted = async (line: readonly string[], more?: NodeJS.ProcessEnv) =>
    (await antiphon(["run", "-d", file, ...line], more)).stdout.trim();

  test("a program finds its variables and arguments, and goes on when nobody answers in time", async () => {
    const variables = join(folder.path, "a.env");
    await writeFile(variables, "API_KEY=another\nMODEL='small one'\n");
    const given = [
      "--env-file",
      variables,
      "--env",
      "API_KEY",
      "--prompt-timeout",
      "1s",
      "--label",
      "team=a",
    ];
    const taskId = await submitted([...given, "--", "x"], { API_KEY: "hunter2" });
    const { code, stdout } = await antiphon(["logs", "-f", taskId]);
    expect(code).toBe(0);
    expect(stdout).toContain("2retnuh small one x\n");
    expect(stdout).toContain("answered with ''\n");
    const seen = await antiphon(["get", taskId, "-o", "json"]);
    expect(JSON.parse(seen.stdout)).toMatchObject({ state: "TASK_STATE_COMPLETED", promptTimeout: "1s" });
    expect((await antiphon(["get", taskId])).stdout).toMatch(/^label +team=a\nquestions wait +1s$/m);
    const history = await antiphon(["events", taskId, "--changes", "-o", "json"]);
    for (const shown of [seen, history]) expect(shown.stdout + shown.stderr).not.toContain("hunter2");
  });

  test("what a program can not be given is refused by its name, without its value", async () => {
    const { code, stderr } = await antiphon(["run", file, "--env", "LD_PRELOAD=hunter2", "--message", "Hi"]);
    expect(code).toBe(1);
    expect(stderr).toContain('program.env["LD_PRELOAD"]: is a name that is not for programs to be given');
    expect(stderr).toContain("program.message: is only for .waldiez files");
    expect(stderr).not.toContain("hunter2");
  });

  test("tasks are found by state, name and label, in the order that is asked for", async () => {
    const given = ["--env", "API_KEY=1", "--env", "MODEL=2", "--label", "of=list"];
    const second = await submitted([...given, "--label", "place=2"]);
    const first = await submitted([...given, "--label", "place=1"]);
    expect((await antiphon(["cancel", second])).code).toBe(0);
    expect((await antiphon(["logs", "-f", second])).code).toBe(0);
    const list = ["task", "list", "--label", "of=list", "--text", "A.PY", "-o", "name"];
    const inOrder = async (order: string) =>
      (await antiphon([...list, "--order-by", order])).stdout.trim().split("\n");
    expect(await inOrder("labels.place")).toEqual([first, second]);
    expect(await inOrder("labels.place desc")).toEqual([second, first]);
    expect((await antiphon([...list, "--state", "cancelled"])).stdout).toBe(`${second}\n`);
    const page = await antiphon(["task", "list", "--label", "of=list", "--limit", "1"]);
    expect(page.stdout).toMatch(/a\.py .* of=list place=1\n$/);
    expect(page.stderr).toMatch(/^more: the same with --page-token \S+\n$/);
    const wrong = await antiphon([...list, "--order-by", "age"]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("order_by: is none of")]);
    expect((await antiphon(["delete", first, "--force", "-y"])).code).toBe(0);
  });
});
