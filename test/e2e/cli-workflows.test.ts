/*
 * The command line with a real server: a workflow's whole life, as a person and
 * as a script see it.
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Antiphon, root, startAllInOne } from "../support/antiphon-processes.ts";
import { CommandLine } from "../support/command-line.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";
import { shownOn } from "../support/terminal-screen.ts";

const release = join(root, "examples/release.yaml");
const input = JSON.stringify({ version: "1.2", parts: ["engine", "console", "docs"], announce: true });

describe("antiphon with a server", { timeout: 600_000 }, () => {
  let server: Antiphon;
  let folder: TemporaryFolder;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    server = await startAllInOne();
    folder = await temporaryFolder("cli-e2e");
    env = { ANTIPHON_DATA_DIR: server.dataDirectory };
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const antiphon = async (...line: string[]) => {
    using command = CommandLine.piped(line, env);
    return await command.end();
  };
  const idOf = async (...line: string[]) => (await antiphon(...line)).stdout.trim();
  const written = async (name: string, text: string) => {
    const path = join(folder.path, name);
    await writeFile(path, text);
    return path;
  };

  test("goes with a person through a release: retries, items, a question, a signal", async () => {
    using command = CommandLine.onTerminal(["workflow", "run", release, "--input", input], env);
    await command.shows("approve: Release 1.2?");
    command.type("perhaps\r");
    await command.shows("is neither yes nor no");
    command.type("yes\r");
    await command.shows(/arrived .*(waiting|running|\ds)/i);
    const [, runId = ""] = /run (\S{36})/.exec(command.stdout) ?? [];
    expect((await antiphon("signal", runId, "arrived", '{"by":"ship"}')).code).toBe(0);
    expect((await command.ended()).code).toBe(0);
    const lines = shownOn({ columns: 100, rows: 24 }, command.stdout);
    expect(lines.filter((line) => line.startsWith("release  "))).toEqual([
      expect.stringContaining("COMPLETED"),
    ]);
    expect(lines).toContainEqual(expect.stringMatching(/✔ build .*3 of 3 items/));
    const results = JSON.parse((await antiphon("results", runId, "-o", "json")).stdout) as object;
    expect(results).toMatchObject({
      build: [{ attempt: 2 }, { attempt: 2 }, { attempt: 2 }],
      approve: { approved: true },
      arrived: { payload: { by: "ship" } },
    });
    expect(command.echoes).toBe(true);
  });

  test("lets a script answer, and carries out what is done when a run fails", async () => {
    using command = CommandLine.piped(["workflow", "run", release, "--input", input], env);
    await command.shows(/node=approve state=WAITING_FOR_INPUT/);
    const [, runId = ""] = /run (\S{36})/.exec(command.stderr) ?? [];
    expect((await antiphon("answer", runId, "no")).code).toBe(0);
    const { code, stdout, stderr } = await command.ended();
    expect(code).toBe(1);
    expect(stderr).toContain(`antiphon answer ${runId}.approve`);
    expect(stdout).toMatch(/node=approve state=FAILED .*APPROVAL_REJECTED/);
    expect(stdout).toMatch(/node=arrived state=SKIPPED/);
    expect(stdout).toMatch(/node=tidy state=COMPLETED/);
  });

  test("refuses an input that the workflow's schema does not want", async () => {
    const { code, stderr } = await antiphon("workflow", "run", release, "--input", "{}");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ {2}input\.version: is missing/m);
  });

  test("stores a workflow, holds a run of it, pauses it, and lets it go on", async () => {
    const file = await written(
      "steps.yaml",
      "name: steps\nnodes: [{id: A, handler: noop, queue: nobody}, {id: B, handler: noop, dependencies: [A]}]\n",
    );
    expect((await antiphon("workflow", "apply", file)).stdout).toContain("workflow steps created");
    expect((await antiphon("workflow", "apply", file)).stdout).toContain("workflow steps unchanged");
    const runId = await idOf("workflow", "run", "steps", "--hold", "--label", "team=a", "--priority", "7");
    expect((await antiphon("get", runId)).stdout).toMatch(/^state +pending/m);
    expect((await antiphon("resume", runId)).stdout).toBe(`${runId} goes on\n`);
    expect((await antiphon("pause", runId)).stdout).toBe(`${runId} is paused\n`);
    expect((await antiphon("resume", runId)).code).toBe(0);
    const found = await antiphon("runs", "list", "--label", "team=a", "--workflow", "steps", "-o", "name");
    expect(found.stdout).toBe(`${runId}\n`);
    expect((await antiphon("get", runId)).stdout).toMatch(/^waits +A: no living worker/m);
    expect((await antiphon("workflow", "graph", runId)).stdout).toMatch(/◌ A {2}noop {2}queued/);
    using watching = CommandLine.piped(["runs", "watch", runId], env);
    await watching.tells("A waits: no living worker");
    expect((await antiphon("cancel", runId)).code).toBe(0);
    expect((await watching.ended()).code).toBe(130);
    expect((await antiphon("events", runId, "--changes")).stdout).toContain("→ run cancelled");
    const again = await idOf("rerun", runId, "--hold", "--request-id", "again");
    expect(await idOf("rerun", runId, "--hold", "--request-id", "again")).toBe(again);
    expect((await antiphon("cancel", again)).code).toBe(0);
    expect((await antiphon("delete", runId, "-y")).stdout).toBe(`${runId} is removed\n`);
    expect((await antiphon("get", runId)).code).toBe(3);
    const back = await written(
      "back.yaml",
      (await antiphon("workflow", "get", "steps", "--definition")).stdout,
    );
    expect((await antiphon("workflow", "apply", back)).stdout).toContain("workflow steps unchanged");
    expect((await antiphon("workflow", "delete", "steps", "-y")).code).toBe(0);
  });

  test("starts again from what failed, and keeps what completed", async () => {
    const file = await written(
      "half.yaml",
      "name: half\nnodes: [{id: A, handler: noop, config: {x: 1}}, {id: B, handler: unreliable_handler, config: {fail_times: 1}}]\n",
    );
    expect((await antiphon("workflow", "run", file)).code).toBe(1);
    const runId = (await idOf("ls", "--workflow", "half", "--state", "failed", "-o", "name")) || "none";
    const again = await idOf("rerun", runId, "--from-failed");
    await antiphon("runs", "watch", again);
    const { stdout } = await antiphon("get", again, "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject({
      rerunOf: runId,
      tasks: [{ nodeId: "A", output: { x: 1 } }, {}],
    });
  });

  test("keeps a schedule, fires it by hand, and ends it", async () => {
    const file = await written("tick.yaml", "name: tick\nnodes: [{id: A, handler: noop}]\n");
    const cron = ["--cron", "0 3 * * mon-fri", "--timezone", "Europe/Berlin"];
    const created = await antiphon("schedule", "create", file, ...cron);
    expect([created.code, created.stderr]).toEqual([0, ""]);
    expect(created.stdout).toMatch(/^next +\d{4}-/m);
    expect((await antiphon("schedule", "pause", "tick")).stdout).toMatch(/is paused\n$/);
    expect((await antiphon("schedule", "update", "tick", "--overlap", "allow")).stdout).toMatch(
      /^overlap +allow/m,
    );
    const runId = await idOf("schedule", "trigger", "tick");
    expect((await antiphon("runs", "watch", runId)).code).toBe(0);
    expect(await idOf("runs", "list", "--schedule", "tick", "-o", "name")).toBe(runId);
    expect((await antiphon("schedule", "delete", "tick", "-y")).code).toBe(0);
    expect((await antiphon("schedule", "list", "-o", "name")).stdout).toBe("");
  });

  test("takes the workflow file of the documents", async () => {
    const page = readFileSync(join(root, "docs/cli.md"), "utf8");
    const [, text = ""] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
    const { code, stdout } = await antiphon("workflow", "run", await written("doc.yaml", text), "-o", "json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ results: { each: [{ day: "a" }, { day: "b" }] } });
  });
});
