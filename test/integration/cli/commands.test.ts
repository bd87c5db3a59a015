import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ZipFile } from "yazl";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { CommandLine } from "../../support/command-line.ts";
import { FakeAntiphon, type FakeRun } from "../../support/fake-antiphon.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";

let opened: AsyncDisposableStack;
let folder: TemporaryFolder;
let server: FakeAntiphon;
let env: NodeJS.ProcessEnv;

const runId = "11111111-2222-4333-8444-555555555555";
const fanout: FakeRun = {
  run: { runId, workflowId: "wf1", name: "fanout", state: RunState.RUNNING },
  changes: [
    { nodeId: "A", state: TaskState.RUNNING, run: RunState.RUNNING },
    { nodeId: "A", state: TaskState.COMPLETED, run: RunState.RUNNING },
    { nodeId: "B", state: TaskState.COMPLETED, run: RunState.COMPLETED },
  ],
  results: { A: { x: 1 } },
};

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  folder = opened.use(await temporaryFolder("cli"));
  await writeFile(join(folder.path, "a.py"), "print()\n");
  server = new FakeAntiphon({ "a.py": (task) => task.ask("name? ") }, [fanout]);
  const { url } = opened.use(await server.listen());
  env = { ANTIPHON_URL: url, ANTIPHON_CLIENT_ID: "c1", ANTIPHON_CLIENT_SECRET: "s1" };
});

afterEach(() => opened.disposeAsync());

describe("antiphon", { timeout: 240_000 }, () => {
  test("prints its version, and its exit codes in the help", async () => {
    expect((await antiphon(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await antiphon(["--help"])).stdout).toContain("124  the task took longer than it may");
  });

  test("runs on the pinned Node when it is called with another", () => {
    const launcher = fileURLToPath(new URL("../../../cli/launcher.js", import.meta.url));
    const { status, stdout } = spawnSync(launcher, ["--version"], { env: { PATH: "/usr/bin:/bin" } });
    expect([status, String(stdout)]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  test.each(["/usr/bin:/bin", `${dirname(process.execPath)}:/usr/bin:/bin`])(
    "leaves --env-file to the command on whichever Node it is called with: %s",
    (PATH) => {
      const launcher = fileURLToPath(new URL("../../../cli/launcher.js", import.meta.url));
      const line = ["run", join(folder.path, "a.py"), "--env-file", "/nowhere/keys.env"];
      const { status, stderr } = spawnSync(launcher, line, { env: { PATH } });
      expect([status, String(stderr)]).toEqual([
        2,
        "error: /nowhere/keys.env: there is no such file (ENOENT)\n",
      ]);
    },
  );

  test.each([[["nonsense"]], [["run"]], [["ls", "--nonsense"]], [["ls", "-o", "xml"]], [["run", "none.py"]]])(
    "ends with 2 at the line %j",
    async (line) => {
      expect((await antiphon(line)).code).toBe(2);
    },
  );

  test("tells errors as one JSON object with -o json", async () => {
    const { code, stdout, stderr } = await antiphon(["get", "nothing", "-o", "json"]);
    expect([code, stdout]).toEqual([3, ""]);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "NOT_FOUND", reason: "TASK_NOT_FOUND", exitCode: 3 },
    });
  });

  // Pins an error of the connection after the call's own, which ended the process with a stack.
  test("ends with 5 and the URL where something else listens", async () => {
    const other = createServer((_request, response) => response.end("hello"));
    await once(other.listen(0, "127.0.0.1"), "listening");
    opened.defer(() => void other.close());
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await antiphon(["ls", "--url", url]);
    expect(stderr).toContain(`${url} is no Antiphon server`);
    expect(stderr).not.toContain("    at ");
    expect(code).toBe(5);
  });

  test("ends with 4 for credentials that are wrong or missing", async () => {
    expect((await antiphon(["whoami", "--client-secret", "wrong"])).code).toBe(4);
    const command = CommandLine.piped(["whoami"], { ANTIPHON_URL: env["ANTIPHON_URL"] }, folder.path);
    expect((await opened.use(command).end()).code).toBe(4);
  });

  test("tells who calls, and lists workers and runs", async () => {
    expect((await antiphon(["whoami"])).stdout).toContain("tasks-api");
    expect((await antiphon(["workers"])).stdout).toMatch(/^w1 +yes/m);
    await antiphon(["run", "-d", join(folder.path, "a.py")]);
    expect((await antiphon(["ls"])).stdout).toContain(server.tasks[0]?.taskId);
    expect(JSON.parse((await antiphon(["ls", "-o", "json"])).stdout)).toMatchObject({
      runs: [{ name: "a.py" }],
    });
  });

  test("lists tasks by everything that they can be found and put in order by, over pages", async () => {
    for (let count = 0; count < 2; count++) await antiphon(["run", "-d", join(folder.path, "a.py")]);
    const filter = ["--state", "waiting_for_input", "failed", "--text", "a", "--label", "team=a"];
    const line = [
      "task",
      "list",
      ...filter,
      "--without-scheduled",
      "--order-by",
      "name desc",
      "--limit",
      "1",
    ];
    const { code, stdout, stderr } = await antiphon(line);
    expect([code, stderr]).toEqual([0, "more: the same with --page-token 1\n"]);
    expect(stdout).toMatch(new RegExp(`^ID +NAME +STATE .*\n${server.tasks[0]?.taskId} +a.py +\\S+ .*\n$`));
    expect(server.asked.at(-1)?.request).toMatchObject({
      filter: {
        states: [TaskState.WAITING_FOR_INPUT, TaskState.FAILED],
        text: "a",
        labels: { team: "a" },
        withoutScheduled: true,
      },
      orderBy: "name desc",
      pageSize: 1,
    });
    const next = await antiphon(["task", "list", "--page-token", "1", "-o", "name"]);
    expect(next.stdout).toBe(`${server.tasks[1]?.taskId}\n`);
    expect((await antiphon(["task", "list", "--state", "skipped"])).code).toBe(2);
  });

  test("knows a task by the beginning of its id, and cancels it", async () => {
    await antiphon(["run", "-d", join(folder.path, "a.py")]);
    const task = server.tasks[0];
    const { code, stdout } = await antiphon(["cancel", task?.taskId.slice(0, 8) ?? ""]);
    expect([code, stdout]).toEqual([0, `${task?.taskId} is asked to end\n`]);
    await until("the task is cancelled", () => task?.state === TaskState.CANCELLED, 50_000);
    expect((await antiphon(["attach", task?.taskId ?? ""])).code).toBe(130);
  });

  test("follows the logs of a task without answering", async () => {
    await antiphon(["run", "-d", join(folder.path, "a.py")]);
    const task = server.tasks[0];
    task?.write("hello\n");
    const command = opened.use(CommandLine.piped(["logs", "-f", task?.taskId ?? ""], env));
    await command.shows("hello");
    task?.answerElsewhere("Ada");
    expect(await command.end()).toMatchObject({ code: 0, stdout: "hello\n" });
    expect(command.stderr).toContain("name? Ada  (answered by c1)");
  });

  test("shows a line for each change of a node, and goes on after a broken stream", async () => {
    server.breakWatchAfter = 2;
    const file = join(folder.path, "fanout.json");
    await writeFile(file, '{"dag":{"nodes":[{"id":"A","handler":"noop"},{"id":"B","handler":"noop"}]}}');
    const { code, stdout, stderr } = await antiphon(["workflow", "run", file]);
    expect(code).toBe(0);
    expect(stdout.replaceAll(/^\S+/gm, "T")).toBe(
      "T node=A state=RUNNING attempt=1\nT node=A state=COMPLETED attempt=1\nT node=B state=COMPLETED attempt=1\n",
    );
    expect(stderr).toContain("connected again");
    expect(server.watchedAfter).toEqual([0, 2]);
  });

  test("draws a tree on a terminal", async () => {
    const file = join(folder.path, "fanout.yaml");
    await writeFile(
      file,
      "dag: {nodes: [{id: A, handler: noop}, {id: B, handler: noop, dependencies: [A]}]}\n",
    );
    const command = opened.use(CommandLine.onTerminal(["workflow", "run", file], env));
    expect((await command.ended()).code).toBe(0);
    await command.shows(/fanout {2}\S+ {2}COMPLETED/);
    await command.shows("✔ A");
  });

  test("lists every fault of a definition and ends with 1", async () => {
    const file = join(folder.path, "bad.json");
    await writeFile(
      file,
      '{"dag":{"nodes":[{"id":"A","handler":"nothing"},{"id":"B","handler":"nothing"}]}}',
    );
    const { code, stdout } = await antiphon(["workflow", "validate", file]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^dag\.nodes\[0\]\.handler +UNKNOWN_HANDLER/m);
    expect(stdout).toMatch(/^dag\.nodes\[1\]\.handler +UNKNOWN_HANDLER/m);
  });

  test("takes the files of a task apart into a folder, and keeps the archive when asked to", async () => {
    const zip = new ZipFile();
    zip.addBuffer(Buffer.from("hello"), "out/a.txt");
    zip.end();
    server.archive = await buffer(zip.outputStream);
    await antiphon(["run", "-d", join(folder.path, "a.py")]);
    const id = server.tasks[0]?.taskId ?? "";
    const target = join(folder.path, "results");
    expect((await antiphon(["results", id, "--to", target])).stdout).toBe(`${join(target, "out/a.txt")}\n`);
    expect(await readFile(join(target, "out/a.txt"), "utf8")).toBe("hello");
    expect((await antiphon(["results", id, "--to", target])).code).toBe(2);
    const kept = join(folder.path, "kept.zip");
    await antiphon(["results", id, "--zip", kept]);
    expect(await readFile(kept)).toEqual(server.archive);
    expect(await readdir(target)).toEqual(["out"]);
  });

  test("prints what the nodes of a run gave", async () => {
    const { stdout } = await antiphon(["results", runId]);
    expect(JSON.parse(stdout)).toEqual({ A: { x: 1 } });
  });

  test("looks at the port of the server that the data folder names", async () => {
    const data = join(folder.path, "data");
    await mkdir(data);
    const url = env["ANTIPHON_URL"] ?? "";
    await writeFile(join(data, "server.json"), JSON.stringify({ url, pid: process.pid }));
    const { stdout } = await antiphon(["doctor", "-o", "json", "--data-dir", data]);
    const { findings } = JSON.parse(stdout) as { findings: object[] };
    expect(findings).toContainEqual(expect.objectContaining({ name: `port ${new URL(url).port}` }));
  });

  test.each(["attach", "logs"])(
    "says at %s of a workflow's run how it and its nodes are watched",
    async (command) => {
      const { code, stderr } = await antiphon([command, runId]);
      expect(code).toBe(2);
      expect(stderr).toContain(`antiphon runs watch ${runId} shows it; antiphon ${command} ${runId}.NODE`);
    },
  );

  test("leaves no folder behind for a task that left no files", async () => {
    const zip = new ZipFile();
    zip.end();
    server.archive = await buffer(zip.outputStream);
    await antiphon(["run", "-d", join(folder.path, "a.py")]);
    const id = server.tasks[0]?.taskId ?? "";
    const target = join(folder.path, "none");
    const { stdout, stderr } = await antiphon(["results", id, "--to", target, "-o", "json"]);
    expect([JSON.parse(stdout), stderr]).toEqual([{ files: [] }, "the task left no files behind\n"]);
    expect(await readdir(folder.path)).not.toContain("none");
  });

  test("tells what the machine has and what mends what is missing", async () => {
    const line = ["doctor", "-o", "json", "--data-dir", join(folder.path, "data")];
    const command = CommandLine.piped(line, { DATABASE_URL: "postgres://127.0.0.1:1/none", API_PORT: "0" });
    const { code, stdout } = await opened.use(command).end();
    const { findings } = JSON.parse(stdout) as {
      findings: { name: string; status: string; mend?: string }[];
    };
    expect(code).toBe(1);
    expect(findings.find(({ name }) => name === "node")).toMatchObject({ status: "ok" });
    expect(findings.find(({ name }) => name === "postgres")).toMatchObject({
      status: "missing",
      mend: expect.stringContaining("DATABASE_URL"),
    });
    expect(findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["python", "uv", "sandbox", "redis", "data folder"]),
    );
  });
});

async function antiphon(line: readonly string[]) {
  return opened.use(CommandLine.piped(line, env)).end();
}
