import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { CommandLine } from "../../support/command-line.ts";
import { FakeAntiphon, type FakeRun } from "../../support/fake-antiphon.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";

let opened: AsyncDisposableStack;
let folder: TemporaryFolder;
let server: FakeAntiphon;
let env: NodeJS.ProcessEnv;

const runId = "11111111-2222-4333-8444-555555555555";
const otherId = "22222222-2222-4333-8444-555555555555";
const prompt = { promptId: "p-1", text: "Ship it?", attempt: 1 };
const asking = { taskId: `${runId}.A`, runId, nodeId: "A", state: TaskState.WAITING_FOR_INPUT };
const flow: FakeRun = {
  run: {
    runId,
    workflowId: "wf1",
    name: "flow",
    state: RunState.RUNNING,
    tasks: [{ ...asking, openPrompts: [prompt] }],
  },
  changes: [
    { nodeId: "A", state: TaskState.PENDING, run: RunState.RUNNING, task: retrying() },
    { nodeId: "A", state: TaskState.COMPLETED, run: RunState.COMPLETED },
  ],
  results: { A: { x: 1 } },
};
const failed: FakeRun = { run: { runId: otherId, name: "b", state: RunState.FAILED }, changes: [] };

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  folder = opened.use(await temporaryFolder("cli"));
  server = new FakeAntiphon({}, [flow, failed]);
  const { url } = opened.use(await server.listen());
  env = { ANTIPHON_URL: url, ANTIPHON_CLIENT_ID: "c1", ANTIPHON_CLIENT_SECRET: "s1" };
});

afterEach(() => opened.disposeAsync());

describe("antiphon workflow", { timeout: 240_000 }, () => {
  test("stores a definition once, lists it, and gives it back as a file that says the same", async () => {
    const text = [
      "name: nightly",
      "dag:",
      "  nodes:",
      "    - { id: A, handler: noop, config: { x: 1 }, retry: { max_attempts: 5, initial_delay: 2s } }",
      '    - { id: B, handler: noop, dependencies: [A], when: "A.x > 0", on_failure: continue, for_each: [1, 2] }',
      "",
    ].join("\n");
    const file = await written("nightly.yaml", text);
    expect((await antiphon(["workflow", "apply", file])).stdout).toMatch(
      /^workflow nightly created, version/,
    );
    const id = server.workflows[0]?.workflowId ?? "";
    expect((await antiphon(["workflow", "apply", file])).stdout).toContain(`unchanged, version`);
    expect((await antiphon(["workflow", "list", "-o", "name"])).stdout).toBe(`${id}\n`);
    const { stdout } = await antiphon(["workflow", "get", "nightly", "--definition"]);
    const again = await written("again.yaml", stdout);
    expect((await antiphon(["workflow", "apply", again])).stdout).toContain(`unchanged, version`);
    expect((await antiphon(["workflow", "graph", id.slice(0, 8)])).stdout).toMatch(/ 2 B {2}noop {2}← A/);
    expect((await antiphon(["workflow", "delete", "nightly"])).code).toBe(2);
    expect((await antiphon(["workflow", "delete", "nightly", "-y"])).code).toBe(0);
    const missing = await antiphon(["workflow", "get", "nightly"]);
    expect([missing.code, missing.stderr]).toEqual([
      3,
      expect.stringContaining("there is no workflow nightly"),
    ]);
  });

  test("draws a file without a server, for documents and for Graphviz", async () => {
    const file = await written(
      "w.json",
      '{"nodes":[{"id":"A","handler":"noop"},{"id":"B","handler":"noop","dependencies":["A"]}]}',
    );
    const mermaid = await antiphon(["workflow", "graph", file, "-o", "mermaid"], { ANTIPHON_URL: "" });
    expect(mermaid.stdout).toContain("n0 --> n1");
    expect((await antiphon(["workflow", "graph", file, "-o", "dot"])).stdout).toContain('"A" -> "B"');
  });

  test("starts what is named or sent along with all that a run can be given, once under one request id", async () => {
    const file = await written("w.json", '{"name":"w","nodes":[{"id":"A","handler":"noop"}]}');
    const given = ["--label", "team=a", "--label", "x=1=2", "--priority", "-5", "--input", '{"n":1}'];
    const line = ["workflow", "run", file, "-d", "--request-id", "r1", ...given];
    expect(await antiphon(line)).toMatchObject({ code: 0, stdout: `${runId}\n` });
    await antiphon(["workflow", "run", "w", "--hold"]);
    const [first, second] = server.asked.filter(({ method }) => method === "startRun");
    expect(first?.request).toMatchObject({
      workflow: { name: "w", dag: { nodes: [{ id: "A" }] } },
      labels: { team: "a", x: "1=2" },
      priority: -5,
      requestId: "r1",
    });
    expect(second?.request).toMatchObject({ workflowName: "w", hold: true });
  });

  test("tells how a question can be answered when there is no terminal, and of retries", async () => {
    const file = await written("w.json", '{"name":"w","nodes":[{"id":"A","handler":"noop"}]}');
    const { code, stdout, stderr } = await antiphon(["workflow", "run", file, "-o", "json"]);
    expect(code).toBe(0);
    expect(stderr).toContain(`antiphon answer ${runId}.A p-1 TEXT`);
    expect(stderr).toMatch(/node=A state=RETRYING attempt=1 failure="it ended with 3 \(EXIT_CODE\)"/);
    expect(JSON.parse(stdout)).toMatchObject({ run: { runId }, results: { A: { x: 1 } } });
  });
});

describe("antiphon with runs", { timeout: 240_000 }, () => {
  test("lists by everything that a run can be found by", async () => {
    const since = ["--since", "2026-11-21T00:00:00Z", "--until", "1h"];
    const line = [
      "runs",
      "list",
      "--status",
      "failed",
      "--workflow",
      "w",
      "--label",
      "a=b",
      "--text",
      "x",
      "--all",
    ];
    expect((await antiphon([...line, ...since])).code).toBe(0);
    expect(server.asked.at(-1)?.request).toMatchObject({
      states: [RunState.FAILED],
      name: "w",
      labels: { a: "b" },
      text: "x",
      includeChildren: true,
      createdAfter: { seconds: 1_795_219_200n },
    });
    const wrong = await antiphon(["ls", "--limit", "x"]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("It is not a whole number")]);
  });

  test("watches many to the end of all, as lines of JSON when asked to", async () => {
    const { code, stdout } = await antiphon(["runs", "watch", runId, otherId, "-o", "jsonl"]);
    const news = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(code).toBe(1);
    expect(news.map((item) => [item["runId"], "snapshot" in item])).toEqual([
      [otherId, true],
      [runId, true],
      [runId, false],
      [runId, false],
    ]);
  });

  test("pauses, resumes, signals, repeats and removes them", async () => {
    expect((await antiphon(["pause", runId])).stdout).toBe(`${runId} is paused\n`);
    expect((await antiphon(["resume", runId, "-o", "name"])).stdout).toBe(`${runId}\n`);
    const { code, stderr } = await antiphon(["signal", runId, "go", '{"a":1}']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^hint: no node of .* waits for any signal\n$/),
    ]);
    expect((await antiphon(["rerun", runId, "--from-failed"])).stdout).toBe(`${runId}\n`);
    expect((await antiphon(["delete", runId])).code).toBe(2);
    expect((await antiphon(["delete", runId, "-y"])).stdout).toBe(`${runId} is removed\n`);
    expect((await antiphon(["delete", runId, "-y", "--force"])).code).toBe(0);
    const asked = server.asked.filter(({ method }) => method !== "listRuns");
    expect(asked.map(({ method }) => method)).toEqual([
      "pauseRun",
      "resumeRun",
      "signalRun",
      "rerunRun",
      "deleteRun",
      "deleteRun",
    ]);
    expect(asked.slice(4).map(({ request }) => request)).toMatchObject([{ force: false }, { force: true }]);
    expect(asked[3]?.request).toMatchObject({
      fromFailed: true,
      requestId: expect.stringMatching(/^.{36}$/),
    });
  });

  test("goes on after one that can not be, and ends with its code", async () => {
    const none = "33333333-2222-4333-8444-555555555555";
    const { code, stdout, stderr } = await antiphon(["pause", none, runId]);
    expect([code, stdout]).toEqual([3, `${runId} is paused\n`]);
    expect(stderr).toContain(`there is no run ${none}`);
  });

  test("lists the facts of a history over pages, with what followed, to the end", async () => {
    const { stdout } = await antiphon(["events", runId, "--changes", "--follow"]);
    expect(stdout.split("\n").filter((line) => /^\d/.test(line))).toHaveLength(3);
    expect(stdout).toContain("→ A completed");
    const { events } = JSON.parse((await antiphon(["events", runId, "-o", "json"])).stdout) as { events: [] };
    expect(events).toHaveLength(3);
  });

  test("answers the one question of a run, whichever task asks it", async () => {
    expect((await antiphon(["answer", runId, "yes"])).code).toBe(0);
    expect((await antiphon(["answer", runId, "p-1"], {}, "from a pipe\n")).code).toBe(0);
    const answers = server.asked.filter(({ method }) => method === "sendInput");
    expect(answers.map(({ request }) => request)).toMatchObject([
      { taskId: `${runId}.A`, promptId: "p-1", text: "yes" },
      { text: "p-1" },
    ]);
    expect((await antiphon(["answer", otherId, "yes"])).code).toBe(3);
  });

  test("shows what a run gave with its tasks, and the files of a task that left none without a folder", async () => {
    const json = JSON.parse((await antiphon(["get", runId, "-o", "json"])).stdout) as object;
    expect(json).toMatchObject({ runId, tasks: [{ nodeId: "A", output: { x: 1 } }] });
    expect((await antiphon(["get", runId, "-o", "yaml"])).stdout).toMatch(/^runId: 11111111/);
    const { stdout } = await antiphon(["results", runId, "-o", "yaml"]);
    expect(stdout).toBe("A:\n  x: 1\n");
  });
});

describe("antiphon schedule", { timeout: 240_000 }, () => {
  test("stores, shows, changes, triggers and ends one by its name", async () => {
    const cron = ["--cron", "0 3 * * mon-fri", "--timezone", "Europe/Berlin", "--overlap", "cancel-old"];
    const line = ["schedule", "create", "nightly", "--window", "2h", "--paused", ...cron];
    expect((await antiphon(line)).stdout).toMatch(/when +0 3 \* \* mon-fri Europe\/Berlin/);
    expect(server.schedules[0]).toMatchObject({
      name: "nightly",
      paused: true,
      catchUpWindow: { seconds: 7_200n },
    });
    expect((await antiphon(["schedule", "resume", "nightly"])).stdout).toMatch(/goes on\n$/);
    expect(server.schedules[0]?.paused).toBe(false);
    await antiphon(["schedule", "update", "nightly", "--overlap", "allow", "--name", "n"]);
    expect(server.asked.at(-1)?.request).toMatchObject({ paths: ["name", "overlap"] });
    expect((await antiphon(["schedule", "trigger", "nightly"])).stdout).toMatch(/^.{36}\n$/);
    expect((await antiphon(["schedule", "list"])).stdout).toMatch(/nightly +active +0 3/);
    expect((await antiphon(["schedule", "delete", "nightly", "-y"])).code).toBe(0);
    expect((await antiphon(["schedule", "get", "nightly"])).code).toBe(3);
  });

  test("takes a program and a time to come, and refuses what says nothing", async () => {
    const file = await written("a.py", "print()\n");
    expect((await antiphon(["schedule", "create", file, "--at", "90m"])).code).toBe(0);
    const { target } = server.schedules[0] ?? {};
    expect(target?.kind).toMatchObject({ case: "task", value: { program: { fileName: "a.py" } } });
    expect(await readFile(file, "utf8")).toBe("print()\n");
    expect((await antiphon(["schedule", "create", file])).code).toBe(2);
    expect((await antiphon(["schedule", "update", "a.py"])).code).toBe(2);
  });
});

describe("antiphon schedule of a program", { timeout: 240_000 }, () => {
  test("gives it all that a program can be given, at first and with another target", async () => {
    const file = await written("a.py", "print()\n");
    const given = ["--env", "KEY=k", "--timeout", "90s", "--input", '{"n":1}', "--label", "team=a"];
    const made = await antiphon(["schedule", "create", file, "--at", "90m", ...given, "--", "--fast"]);
    expect([made.code, made.stderr]).toEqual([0, ""]);
    expect(made.stdout).not.toContain("KEY");
    expect(server.schedules[0]?.target?.kind).toMatchObject({
      case: "task",
      value: {
        program: { arguments: ["--fast"], env: { KEY: "k" }, wallTime: { seconds: 90n } },
        input: new TextEncoder().encode('{"n":1}'),
        labels: { team: "a" },
      },
    });
    const change = ["schedule", "update", "a.py", "--target", file, "--prompt-timeout", "5m", "--", "--slow"];
    expect((await antiphon(change)).code).toBe(0);
    const value = { program: { arguments: ["--slow"], env: {}, promptTimeout: { seconds: 300n } } };
    expect(server.asked.at(-1)?.request).toMatchObject({
      schedule: { target: { kind: { value } } },
      paths: ["target"],
    });
  });

  test.each([
    [["create", "nightly", "--at", "90m", "--env", "KEY=hunter2"], "nightly is a workflow"],
    [["create", "nightly", "--at", "90m", "--", "--fast"], "nightly is a workflow"],
    [["create", "FILE", "--at", "90m", "--priority", "1"], "--priority is for workflows"],
    [["update", "nightly", "--name", "n", "--message", "Begin."], "goes with --target"],
    [["update", "nightly", "--name", "n", "--", "--fast"], "goes with --target"],
  ])("refuses what is for something else: %j", async (line, said) => {
    const file = await written("a.py", "print()\n");
    const words = line.map((word) => (word === "FILE" ? file : word));
    const { code, stderr } = await antiphon(["schedule", ...words]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
    expect(stderr).not.toContain("hunter2");
    expect(server.schedules).toEqual([]);
  });
});

function retrying() {
  const lastFailure = { reason: "EXIT_CODE", message: "it ended with 3", nodeId: "main" };
  return { failedAttempts: 1, lastFailure };
}

async function written(name: string, text: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, text);
  return path;
}

async function antiphon(line: readonly string[], more: NodeJS.ProcessEnv = {}, input?: string) {
  return opened.use(CommandLine.piped(line, { ...env, ...more })).end(input);
}
