import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Output_Stream as Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { CommandLine } from "../../support/command-line.ts";
import { FakeAntiphon, type FakeProgram } from "../../support/fake-antiphon.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { Wire } from "../../support/wire.ts";

let opened: AsyncDisposableStack;
let folder: TemporaryFolder;
let file: string;

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  folder = opened.use(await temporaryFolder("cli"));
  file = join(folder.path, "a.py");
  await writeFile(file, "print()\n");
});

afterEach(() => opened.disposeAsync());

const askTwice: FakeProgram = async (task) => {
  const name = await task.ask("name? ");
  const secret = await task.ask("password? ", { password: true });
  task.write(`${name} ${secret.length}\n`);
  return { name };
};

describe("antiphon run with pipes", () => {
  test("takes answers from standard input, a line each, and keeps the streams apart", async () => {
    const { env, server } = await start(async (task) => {
      task.write("to stderr\n", Stream.STDERR);
      return askTwice(task);
    });
    const { code, stdout, stderr } = await run(env, ["run", file], "Ada\r\nhunter2\n");
    expect([code, stdout]).toEqual([0, "Ada 7\n"]);
    expect(stderr).toContain("to stderr\n");
    expect(stderr).toContain('result: {"name":"Ada"}');
    expect(stdout + stderr).not.toContain("hunter2");
    expect(server.tasks[0]?.answers).toEqual(["Ada", "hunter2"]);
  });

  test("gives standard output to one JSON document with -o json", async () => {
    const { env } = await start(askTwice);
    const { code, stdout, stderr } = await run(env, ["run", file, "-o", "json"], "Ada\nx\n");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: "TASK_STATE_COMPLETED", output: { name: "Ada" } });
    expect(stderr).toContain("Ada 1\n");
  });

  test("ends with 1 when the task asks and standard input has no answer, and lets it wait", async () => {
    const { env, server } = await start(askTwice);
    const { code, stderr } = await run(env, ["run", file], "Ada\n");
    expect(code).toBe(1);
    expect(stderr).toContain("NO_ANSWER");
    expect(stderr).toContain(`antiphon attach ${server.tasks[0]?.taskId}`);
    expect(server.tasks[0]?.cancelled.aborted).toBe(false);
  });

  test("ends with 1 and the failure when the task fails", async () => {
    const { env } = await start(() => {
      throw new Error("boom");
    });
    const { code, stderr } = await run(env, ["run", file]);
    expect(code).toBe(1);
    expect(stderr).toContain("Error: boom (EXIT_CODE)");
  });

  test("leaves at a signal with 130 and lets the task go on", async () => {
    const { env, server } = await start((task) => {
      task.write("working\n");
      return new Promise(() => {});
    });
    const command = opened.use(CommandLine.piped(["run", file], env));
    await command.shows("working");
    command.signal("SIGINT");
    const { code, stderr } = await command.ended();
    expect(code).toBe(130);
    expect(stderr).toContain("the task goes on");
    expect(server.tasks[0]?.cancelled.aborted).toBe(false);
  });

  test("submits only and prints the id with -d", async () => {
    const { env, server } = await start(askTwice);
    const { code, stdout } = await run(env, ["run", "-d", file]);
    expect([code, stdout]).toEqual([0, `${server.tasks[0]?.taskId}\n`]);
  });

  test("hands in with it everything that the options say, and shows no variable's value", async () => {
    const { env, server } = await start(() => "done");
    const variables = join(folder.path, "keys.env");
    await writeFile(variables, 'API_KEY="hunter2"\nMODEL=small\n');
    const secrets = ["--env-file", variables, "--env", "MODEL=hunter3=", "--env", "HERE"];
    const times = ["--timeout", "90s", "--prompt-timeout", "1h30m"];
    const rest = ["--message", "Begin.", "--skip-requirements", "--label", "team=a", "--label", "x=1"];
    const surroundings = { ...env, HERE: "hunter4" };
    const line = ["run", "-d", "-o", "json", file, ...secrets, ...times, ...rest, "--", "--env", "B=1"];
    const { code, stdout, stderr } = await run(surroundings, line);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).not.toContain("hunter");
    const [submitted] = server.asked.filter(({ method }) => method === "submitTask");
    expect(submitted?.request).toMatchObject({
      program: {
        arguments: ["--env", "B=1"],
        env: { API_KEY: "hunter2", MODEL: "hunter3=", HERE: "hunter4" },
        message: "Begin.",
        skipRequirements: true,
        wallTime: { seconds: 90n },
        promptTimeout: { seconds: 5_400n },
      },
      labels: { team: "a", x: "1" },
    });
  });

  test.each([
    [["--env", "hunter-2=x"], "number 1 of --env is neither NAME=VALUE nor NAME"],
    [["--env", "NOWHERE"], "--env NOWHERE: there is no variable of this name here"],
    [["--env-file", "/nowhere/keys.env"], "/nowhere/keys.env: there is no such file"],
    [["--evn=KEY=hunter-2"], "unknown option '--evn'"],
  ])("ends with 2 at %j, hands nothing in, and repeats no value", async (line, said) => {
    const { env, server } = await start(() => "done");
    const { code, stderr } = await run(env, ["run", file, ...line]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
    expect(stderr).not.toContain("hunter");
    expect(server.tasks).toEqual([]);
  });

  test("loses and doubles no line when the server goes away, and keeps an answer that was on its way", async () => {
    const { wire, env, server } = await start(async (task) => {
      for (let line = 0; line < 100; line++) task.write(`${line}\n`);
      const name = await task.ask("name? ");
      for (let line = 100; line < 200; line++) task.write(`${line}\n`);
      return name;
    });
    const command = opened.use(CommandLine.piped(["run", file], env));
    await command.shows("99\n");
    await wire.cut();
    command.type("Ada\n");
    await until("the command notices", () => command.stderr.includes("reconnecting"), 50_000);
    await wire.mend();
    const { code, stdout, stderr } = await command.ended();
    expect(code).toBe(0);
    expect(stdout).toBe(Array.from({ length: 200 }, (_, line) => `${line}\n`).join(""));
    expect(stderr).toContain("connected again");
    expect(server.tasks[0]?.answers).toEqual(["Ada"]);
  });

  test("says how to come back when the server goes away and stays away", async () => {
    const { wire, env, server } = await start((task) => {
      task.write("working\n");
      return new Promise(() => {});
    });
    const command = opened.use(CommandLine.piped(["run", file], env));
    await command.shows("working");
    await wire.cut();
    const { code, stderr } = await command.ended();
    expect(code).toBe(5);
    expect(stderr).toContain(`antiphon attach ${server.tasks[0]?.taskId} comes back to it`);
  }, 120_000);

  test("ends with 5 and what to do when no server answers", async () => {
    const env = {
      ANTIPHON_URL: "http://127.0.0.1:1",
      ANTIPHON_CLIENT_ID: "c1",
      ANTIPHON_CLIENT_SECRET: "s1",
    };
    const { code, stderr } = await run(env, ["run", file]);
    expect(code).toBe(5);
    expect(stderr).toContain("the server http://127.0.0.1:1 does not answer");
    expect(stderr).toContain("hint: npm start");
  });

  test("finds a local server and its credentials in the data folder above", async () => {
    const { env } = await start(() => "done");
    const data = join(folder.path, ".antiphon");
    await mkdir(data);
    await writeFile(join(data, "server.json"), JSON.stringify({ url: env.ANTIPHON_URL, pid: process.pid }));
    const clients = [{ client_id: "c1", client_secret: "s1", audience: "tasks-api", name: "local" }];
    await writeFile(join(data, "clients.json"), JSON.stringify(clients));
    const command = opened.use(CommandLine.piped(["run", file], {}, folder.path));
    expect((await command.end()).code).toBe(0);
  });

  test("ends quietly when its reader has seen enough", async () => {
    const { env } = await start((task) => {
      for (let line = 0; line < 5_000; line++) task.write(`${"x".repeat(100)}\n`);
    });
    const command = opened.use(CommandLine.piped(["run", file], env));
    await command.shows("x");
    command.closeStdout();
    const { code, stderr } = await command.ended();
    expect([0, 141]).toContain(code);
    expect(stderr).not.toContain("EPIPE");
  });
});

async function start(program: FakeProgram) {
  const server = new FakeAntiphon({ "a.py": program });
  const wire = new Wire(opened.use(await server.listen()).port);
  opened.use(wire);
  await wire.mend();
  return {
    server,
    wire,
    env: { ANTIPHON_URL: wire.url, ANTIPHON_CLIENT_ID: "c1", ANTIPHON_CLIENT_SECRET: "s1" },
  };
}

async function run(env: NodeJS.ProcessEnv, line: readonly string[], input?: string) {
  return opened.use(CommandLine.piped(line, env)).end(input);
}
