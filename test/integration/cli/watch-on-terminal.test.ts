import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { CommandLine } from "../../support/command-line.ts";
import { FakeAntiphon, type FakeRun } from "../../support/fake-antiphon.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";
import { shownOn } from "../../support/terminal-screen.ts";
import { until } from "../../support/until.ts";

const runId = "11111111-2222-4333-8444-555555555555";
const childId = "99999999-2222-4333-8444-555555555555";
const terminal = { columns: 100, rows: 24 };

let opened: AsyncDisposableStack;
let folder: TemporaryFolder;
let file: string;

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  folder = opened.use(await temporaryFolder("cli"));
  file = join(folder.path, "flow.yaml");
  await writeFile(
    file,
    "nodes: [{id: A, handler: approval}, {id: B, handler: noop, dependencies: [A], retry: {max_attempts: 5}}]\n",
  );
});

afterEach(() => opened.disposeAsync());

describe("antiphon workflow run on a terminal", () => {
  test("asks what its nodes ask, below a tree that leaves nothing behind", async () => {
    const answered = Promise.withResolvers<void>();
    const asks = { openPrompts: [{ promptId: "p1", text: "Ship it?", attempt: 1 }] };
    const { command, server } = await start(
      aRun([
        { nodeId: "A", state: TaskState.WAITING_FOR_INPUT, run: RunState.RUNNING, task: asks },
        { nodeId: "A", state: TaskState.COMPLETED, run: RunState.RUNNING, after: answered.promise },
        { nodeId: "B", state: TaskState.COMPLETED, run: RunState.COMPLETED },
      ]),
      ["workflow", "run", file],
    );
    await command.shows("A: Ship it?");
    // Typed before the clocks of the tree go on, and seen after it.
    command.type("ye");
    await until(
      "what is typed stays below the tree",
      () => shown(command).at(-1) === "A: Ship it? ye",
      50_000,
    );
    await until("the tree is drawn again", () => (command.stdout.match(/flow/g)?.length ?? 0) > 6, 50_000);
    expect(shown(command).filter((line) => line.startsWith("flow  "))).toHaveLength(1);
    command.type("s\r");
    await until(
      "the answer is sent",
      () => server.asked.some(({ method }) => method === "sendInput"),
      50_000,
    );
    answered.resolve();
    expect((await command.ended()).code).toBe(0);
    expect(server.asked.find(({ method }) => method === "sendInput")?.request).toMatchObject({
      taskId: `${runId}.A`,
      promptId: "p1",
      text: "yes",
    });
    const lines = shown(command);
    expect(lines[0]).toBe(`run ${runId}`);
    expect(lines[1]).toBe("A: Ship it? yes");
    expect(lines[2]).toMatch(/^flow {2}\S+ {2}COMPLETED/);
    expect(lines[3]).toMatch(/^ ✔ A/);
    expect(lines[4]).toMatch(/^ ✔ B/);
    expect(lines[5]).toMatch(/^run \S+ completed/);
    expect(command.echoes).toBe(true);
  });

  test("shows what may be answered, and asks again before the next question when an answer is refused", async () => {
    const answered = Promise.withResolvers<void>();
    const asks = (text: string, choices: string[]) => ({
      openPrompts: [{ promptId: "p1", text, choices, attempt: 1 }],
    });
    const waiting = { state: TaskState.WAITING_FOR_INPUT, run: RunState.RUNNING };
    const { command, server } = await start(
      aRun([
        { ...waiting, nodeId: "A", task: asks("Ship?", ["ship", "hold", "drop"]) },
        { ...waiting, nodeId: "B", task: asks("Sure?", ["yes", "no"]) },
        { nodeId: "A", state: TaskState.COMPLETED, run: RunState.RUNNING, after: answered.promise },
        { nodeId: "B", state: TaskState.COMPLETED, run: RunState.COMPLETED },
      ]),
      ["workflow", "run", file],
    );
    server.answersRefused.push("is none of ship, hold, drop");
    const sent = () => server.asked.filter(({ method }) => method === "sendInput");
    await command.shows('asks "Sure? (yes, no)"');
    await until("it asks A", () => shown(command).at(-1) === "A: Ship? (ship, hold, drop)", 50_000);
    command.type("boat\r");
    await command.shows("the answer was not taken: is none of ship, hold, drop");
    await until("it asks A again", () => shown(command).at(-1) === "A: Ship? (ship, hold, drop)", 50_000);
    command.type("ship\r");
    await until("the second answer is sent", () => sent().length === 2, 50_000);
    await until("it asks B", () => shown(command).at(-1) === "B: Sure? (yes, no)", 50_000);
    command.type("yes\r");
    await until("the third answer is sent", () => sent().length === 3, 50_000);
    answered.resolve();
    expect((await command.ended()).code).toBe(0);
    expect(sent().map(({ request }) => request)).toMatchObject([
      { taskId: `${runId}.A`, text: "boat" },
      { taskId: `${runId}.A`, text: "ship" },
      { taskId: `${runId}.B`, text: "yes" },
    ]);
  });

  test("shows retries, waits, items and the runs that it started, and keeps lines that are too long to itself", async () => {
    const go = Promise.withResolvers<void>();
    const failure = { reason: "EXIT_CODE", message: `it ended with 3 ${"x".repeat(300)}`, nodeId: "B" };
    const child: FakeRun = {
      run: {
        runId: childId,
        name: "sub",
        state: RunState.RUNNING,
        createdAt: timestampNow(),
        tasks: [{ taskId: `${childId}.X`, runId: childId, nodeId: "X", state: TaskState.RUNNING }],
      },
      changes: [{ nodeId: "X", state: TaskState.COMPLETED, run: RunState.COMPLETED }],
    };
    const { command, server } = await start(
      aRun([
        {
          nodeId: "A",
          state: TaskState.RUNNING,
          run: RunState.RUNNING,
          task: { items: { total: 20, ended: 12 }, childRunId: childId },
        },
        {
          nodeId: "A",
          state: TaskState.FAILED,
          run: RunState.RUNNING,
          task: { taskId: `${runId}.A.7`, failure: { reason: "SIGNAL", message: "it was killed" } },
        },
        {
          nodeId: "B",
          state: TaskState.PENDING,
          run: RunState.RUNNING,
          task: { failedAttempts: 1, lastFailure: failure },
        },
        { nodeId: "B", state: TaskState.COMPLETED, run: RunState.COMPLETED, after: go.promise },
      ]),
      ["workflow", "run", file],
      child,
    );
    server.waits = [
      { reason: "NO_WORKER", message: "no worker offers llm for queue gpu", taskId: `${runId}.A` },
    ];
    await command.shows("no worker offers llm for queue gpu");
    const lines = shown(command);
    expect(lines.filter((line) => line.startsWith("flow  "))).toHaveLength(1);
    expect(lines).toContainEqual(expect.stringMatching(/^ ● A .*12 of 20 items/));
    expect(lines).toContainEqual(expect.stringContaining("item 7: it was killed (SIGNAL)"));
    expect(lines).toContainEqual(expect.stringMatching(/^ ○ B +retry 2\/5/));
    expect(lines).toContainEqual(expect.stringMatching(/^ {4}sub {2}\S+ {2}COMPLETED/));
    expect(lines).not.toContainEqual(expect.stringMatching(/^ {5}✔ X/));
    expect(lines).toContainEqual(expect.stringMatching(/^ {5}it ended with 3 x+…$/));
    go.resolve();
    expect((await command.ended()).code).toBe(0);
  });

  test("asks at Ctrl-C what to do, and lets the run go on when told to", async () => {
    const { command, server } = await start(
      aRun([
        { nodeId: "A", state: TaskState.RUNNING, run: RunState.RUNNING },
        { nodeId: "A", state: TaskState.COMPLETED, run: RunState.COMPLETED, after: new Promise(() => {}) },
      ]),
      ["workflow", "run", file],
    );
    await command.shows("● A");
    command.type("\u0003");
    await command.shows("[c]ancel the run");
    command.type("d\r");
    expect((await command.ended()).code).toBe(0);
    expect(command.stdout).toContain(`antiphon runs watch ${runId} comes back to it`);
    expect(server.asked.map(({ method }) => method)).not.toContain("cancelRun");
    expect(command.echoes).toBe(true);
  });
});

describe("antiphon runs watch on a terminal", () => {
  test("tells how a run ended that named another which never came", async () => {
    const failure = { reason: "WORKFLOW_NOT_FOUND", message: "there is no workflow other", nodeId: "A" };
    const { command } = await start(
      aRun([
        { nodeId: "A", state: TaskState.RUNNING, run: RunState.RUNNING, task: { childRunId: childId } },
        {
          nodeId: "A",
          state: TaskState.FAILED,
          run: RunState.FAILED,
          task: { childRunId: childId, failure },
        },
      ]),
      ["runs", "watch", runId],
    );
    expect((await command.ended()).code).toBe(1);
    expect(command.stdout).toContain("there is no workflow other");
  });

  test("leaves at Ctrl-C and lets the run go on", async () => {
    const { command, server } = await start(
      aRun([
        { nodeId: "A", state: TaskState.RUNNING, run: RunState.RUNNING },
        { nodeId: "A", state: TaskState.COMPLETED, run: RunState.COMPLETED, after: new Promise(() => {}) },
      ]),
      ["runs", "watch", runId],
    );
    await command.shows("● A");
    command.type("\u0003");
    expect((await command.ended()).code).toBe(130);
    expect(server.asked.map(({ method }) => method)).not.toContain("cancelRun");
  });
});

function aRun(changes: FakeRun["changes"]): FakeRun {
  const tasks = ["A", "B"].map((nodeId) => ({
    taskId: `${runId}.${nodeId}`,
    runId,
    nodeId,
    state: TaskState.PENDING,
  }));
  return {
    run: {
      runId,
      name: "flow",
      workflowId: "wf1",
      state: RunState.RUNNING,
      createdAt: timestampNow(),
      tasks,
    },
    changes,
  };
}

function shown(command: CommandLine): string[] {
  const lines = shownOn(terminal, command.stdout);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

async function start(run: FakeRun, line: readonly string[], ...others: FakeRun[]) {
  const server = new FakeAntiphon({}, [run, ...others]);
  const { url } = opened.use(await server.listen());
  const env = { ANTIPHON_URL: url, ANTIPHON_CLIENT_ID: "c1", ANTIPHON_CLIENT_SECRET: "s1" };
  return { server, command: opened.use(CommandLine.onTerminal(line, env)) };
}
