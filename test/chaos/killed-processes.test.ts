/*
 * What users were promised holds although processes are killed without a
 * warning in the middle of their work.
 */
import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { clientCredentials } from "../../lib/rpc/client-credentials.ts";
import { type Antiphon, root, startAllInOne, startServices } from "../support/antiphon-processes.ts";
import { until } from "../support/until.ts";

/** Clients that get a token by themselves; calls that fail while something is down are the test's to repeat. */
function clientsOf(antiphon: Antiphon) {
  const client = antiphon.clients.find(({ audience }) => audience === "tasks-api");
  const { url } = antiphon;
  const token = clientCredentials({
    transport: networkTransport({ url }),
    clientId: client?.client_id ?? "",
    clientSecret: client?.client_secret ?? "",
  });
  const transport = networkTransport({ url, token });
  return {
    scheduler: createClient(SchedulerService, transport),
    taskio: createClient(TaskIOService, transport),
  };
}

interface WorkflowFile {
  readonly name: string;
  readonly dag: {
    readonly nodes: readonly { id: string; handler: string; dependencies: string[]; config: unknown }[];
  };
}

async function startExample(scheduler: Client<typeof SchedulerService>, file: string): Promise<string> {
  const { name, dag } = JSON.parse(readFileSync(join(root, "examples", file), "utf8")) as WorkflowFile;
  const nodes = dag.nodes.map((node) => ({
    ...node,
    config: new TextEncoder().encode(JSON.stringify(node.config)),
  }));
  const { workflow } = await scheduler.createWorkflow({ name, dag: { nodes } });
  const { run } = await scheduler.startRun({ workflowId: workflow?.workflowId ?? "" });
  return run?.runId ?? "";
}

/** Repeats a call until it succeeds. */
const eventually = async <Value>(what: string, call: () => Promise<Value>): Promise<Value> =>
  await until(
    what,
    async () =>
      await call().then(
        (value) => ({ value }),
        () => undefined,
      ),
    60_000,
  ).then(({ value }) => value);

/** How many processes have a word in their command line. */
function processesOf(word: string): number {
  const { stdout } = spawnSync("pgrep", ["-fc", "--", word], { encoding: "utf8" });
  return Number(stdout.trim());
}

async function endedRun(scheduler: Client<typeof SchedulerService>, runId: string, withinMs = 90_000) {
  return await until(
    `run ${runId} has ended`,
    async () => {
      const run = await scheduler.getRun({ runId }).then(
        (answer) => answer.run,
        () => undefined,
      );
      return run?.endedAt === undefined ? undefined : run;
    },
    withinMs,
  );
}

async function completionsOf(scheduler: Client<typeof SchedulerService>, runId: string): Promise<string[]> {
  const { events } = await eventually(
    "history is answered",
    async () => await scheduler.listRunEvents({ runId, pageSize: 1000 }),
  );
  return events.filter(({ type }) => type === "task_ended").map(({ nodeId }) => nodeId);
}

describe("everything in one process", () => {
  test("a run goes on after kill -9 and a new start, and each node completes once", async () => {
    await using antiphon = await startAllInOne();
    const { scheduler } = clientsOf(antiphon);
    const runId = await startExample(scheduler, "slow.json");
    await until(
      "a node runs",
      async () => {
        const { run } = await scheduler.getRun({ runId });
        return run?.tasks.some(({ startedAt }) => startedAt !== undefined);
      },
      30_000,
    );
    await antiphon.kill("all", "SIGKILL");
    await antiphon.start("all");
    const run = await endedRun(clientsOf(antiphon).scheduler, runId);
    expect(run.state).toBe(RunState.COMPLETED);
    expect((await completionsOf(scheduler, runId)).toSorted()).toEqual(["A", "B", "C", "D"]);
  });

  test("a question stays open over kill -9, is asked by the next attempt, and the answer arrives", async () => {
    await using antiphon = await startAllInOne();
    const { scheduler, taskio } = clientsOf(antiphon);
    const content = new TextEncoder().encode('print("hello", input("name? "))\n');
    const { task } = await scheduler.submitTask({ program: { fileName: "ask.py", content } });
    const taskId = task?.taskId ?? "";
    const openPrompt = async (attempt: number) =>
      await until(
        `attempt ${attempt} asks`,
        async () => {
          const answer = await scheduler.getTask({ taskId }).catch(() => undefined);
          return answer?.task?.openPrompts.find((prompt) => prompt.attempt === attempt);
        },
        60_000,
      );
    const before = await openPrompt(1);
    await antiphon.kill("all", "SIGKILL");
    await antiphon.start("all");
    const prompt = await openPrompt(2);
    await expect(taskio.sendInput({ taskId, promptId: before.promptId, text: "late" })).rejects.toThrow(
      "closed",
    );
    await eventually(
      "the answer is taken",
      async () => await taskio.sendInput({ taskId, promptId: prompt.promptId, text: "Ada" }),
    );
    let output = "";
    let last = "";
    for await (const { news } of taskio.watch({ tasks: [{ taskId }] })) {
      if (news?.news.case === "end") break;
      if (news?.news.case !== "entry") continue;
      const { attempt, seq, body } = news.news.value;
      last = `${attempt}-${seq}`;
      if (body.case === "output") output += new TextDecoder().decode(body.value.data);
    }
    expect(output).toBe("hello Ada\n");
    expect(last).toMatch(/^2-/);
  });

  test("leaves nothing behind after kill -9 once it was started and stopped again", async () => {
    const antiphon = await startAllInOne();
    const { scheduler } = clientsOf(antiphon);
    const content = new TextEncoder().encode(
      'import time\nprint("antiphon-marker-sleeper", flush=True)\ntime.sleep(600)\n',
    );
    const { task } = await scheduler.submitTask({ program: { fileName: "marker_sleeper.py", content } });
    await until(
      "it runs",
      async () => (await scheduler.getTask({ taskId: task?.taskId ?? "" })).task?.startedAt !== undefined,
      30_000,
    );
    await antiphon.kill("all", "SIGKILL");
    await until("the program is dead", () => processesOf("marker_sleeper.py") === 0, 30_000);
    await antiphon.start("all");
    await eventually(
      "the task is cancelled",
      async () => await clientsOf(antiphon).scheduler.cancelTask({ taskId: task?.taskId ?? "" }),
    );
    const { dataDirectory } = antiphon;
    await antiphon[Symbol.asyncDispose]();
    expect(processesOf(dataDirectory)).toBe(0);
    expect(processesOf("marker_sleeper.py")).toBe(0);
  });

  test("refuses a second server on its data folder by name, and goes on", async () => {
    await using antiphon = await startAllInOne();
    const second = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        ["services/all-in-one/main.ts"],
        { cwd: root, env: { ...process.env, ANTIPHON_DATA_DIR: antiphon.dataDirectory, API_PORT: "0" } },
        (_error, _stdout, stderr) => resolve({ code: child.exitCode, stderr }),
      );
    });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`another server (pid ${antiphon.processes.get("all")?.pid})`);
    expect((await fetch(`${antiphon.url}/health`)).ok).toBe(true);
  });
});

describe("a process per service", () => {
  test("every run ends, each node completed once, although services are killed in turn", async () => {
    await using antiphon = await startServices();
    const { scheduler } = clientsOf(antiphon);
    const slow = await startExample(scheduler, "slow.json");
    const runIds = [slow];
    for (const name of ["scheduler", "worker", "taskio", "gateway", "auth", "scheduler", "worker"]) {
      for (const file of ["fanout.json", "race.json"]) {
        runIds.push(await eventually(`${file} is started`, async () => await startExample(scheduler, file)));
      }
      await antiphon.kill(name, "SIGKILL");
      await antiphon.start(name);
    }
    for (const runId of runIds) {
      const run = await endedRun(scheduler, runId, 150_000);
      expect(run.state).toBe(RunState.COMPLETED);
      const completions = await completionsOf(scheduler, runId);
      expect(new Set(completions).size).toBe(completions.length);
      expect(completions.length).toBe(run.tasks.length);
    }
  });
});
