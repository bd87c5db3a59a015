import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CommandLine } from "../../support/command-line.ts";
import { FakeAntiphon, type FakeProgram } from "../../support/fake-antiphon.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";
import { shownOn } from "../../support/terminal-screen.ts";
import { until } from "../../support/until.ts";

let opened: AsyncDisposableStack;
let folder: TemporaryFolder;

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  folder = opened.use(await temporaryFolder("cli"));
  await writeFile(join(folder.path, "a.py"), "print()\n");
});

afterEach(() => opened.disposeAsync());

describe("antiphon run on a terminal", () => {
  test("asks the questions in place, and ends with the task", async () => {
    const { command, server } = await start(async (task) => {
      task.write("hello\n");
      const name = await task.ask("name? ");
      task.write(`hello ${name}\n`);
      return { name };
    });
    await command.shows("name? ");
    command.type("Ada\r");
    await command.shows("hello Ada");
    expect((await command.ended()).code).toBe(0);
    expect(server.tasks[0]?.answers).toEqual(["Ada"]);
    expect(command.stdout).toContain('result: {"name":"Ada"}');
    expect(command.echoes).toBe(true);
  });

  test("never shows a secret answer, and gives the terminal back", async () => {
    const { command, server } = await start(async (task) => {
      task.write(`${(await task.ask("password? ", { password: true })).length} characters\n`);
    });
    await command.shows("password? ");
    command.type("hunter2");
    command.type("\r");
    await command.shows("7 characters");
    expect((await command.ended()).code).toBe(0);
    expect(server.tasks[0]?.answers).toEqual(["hunter2"]);
    expect(command.stdout).not.toContain("hunter");
    expect(command.echoes).toBe(true);
  });

  test("takes lines that are pasted at once as answers one after the other", async () => {
    const { command, server } = await start(async (task) => [
      await task.ask("one? "),
      await task.ask("two? "),
    ]);
    await command.shows("one? ");
    command.type("1\r2\r");
    expect((await command.ended()).code).toBe(0);
    expect(server.tasks[0]?.answers).toEqual(["1", "2"]);
  });

  test("lets output go by above an open question", async () => {
    const written = Promise.withResolvers<void>();
    const { command } = await start(async (task) => {
      const asked = task.ask("name? ");
      await written.promise;
      task.write("news\n");
      return asked;
    });
    await command.shows("name? ");
    command.type("Ad");
    await command.shows("name? Ad");
    written.resolve();
    await command.shows(/news\r?\n[^\n]*name\? Ad$/);
    command.type("a\r");
    expect((await command.ended()).code).toBe(0);
    expect(command.stdout).toContain('result: "Ada"');
  });

  test("withdraws a question that somebody else answers", async () => {
    const { command, server } = await start(async (task) => task.ask("name? "));
    await command.shows("name? ");
    server.tasks[0]?.answerElsewhere("Eve");
    expect((await command.ended()).code).toBe(0);
    expect(command.stdout).toContain("answered by c1");
    expect(command.echoes).toBe(true);
  });

  test("withdraws a question that nobody answers in time", async () => {
    const { command, server } = await start(async (task) => [
      await task.ask("name? "),
      await task.ask("more? "),
    ]);
    await command.shows("name? ");
    server.tasks[0]?.timeOutPrompts();
    await command.shows("nobody answered in time");
    await command.shows("more? ");
    command.type("no\r");
    expect((await command.ended()).code).toBe(0);
    expect(command.stdout).toContain('result: ["","no"]');
  });

  test("asks at Ctrl-C what to do, and ends with 130 once the task is cancelled", async () => {
    const { command, server } = await start(async (task) => task.ask("password? ", { password: true }));
    await command.shows("password? ");
    command.type("\u0003");
    await command.shows("[c]ancel");
    command.type("c\r");
    expect((await command.ended()).code).toBe(130);
    expect(server.tasks[0]?.cancelled.aborted).toBe(true);
    expect(command.stdout).toContain("cancelled after");
    expect(command.stdout).not.toContain("answered");
    expect(command.echoes).toBe(true);
  });

  test("leaves at a second Ctrl-C with 130, having asked for the end of the task", async () => {
    const { command, server } = await start(async (task) => {
      task.write("working\n");
      await new Promise(() => {});
    });
    await command.shows("working");
    command.type("\u0003");
    await command.shows("[c]ancel");
    command.type("\u0003");
    expect((await command.ended()).code).toBe(130);
    expect(server.tasks[0]?.cancelled.aborted).toBe(true);
    expect(command.echoes).toBe(true);
  });

  test("detaches at d and lets the task go on", async () => {
    const { command, server } = await start(async (task) => task.ask("name? "));
    await command.shows("name? ");
    command.type("\u0003");
    await command.shows("[c]ancel");
    command.type("d\r");
    expect((await command.ended()).code).toBe(0);
    expect(server.tasks[0]?.cancelled.aborted).toBe(false);
    expect(command.stdout).toContain("antiphon attach");
  });

  test("asks again when the user stays", async () => {
    const { command } = await start(async (task) => task.ask("name? "));
    await command.shows("name? ");
    command.type("\u0003");
    await command.shows("[c]ancel");
    command.type("\r");
    await command.shows(/name\?.*\[c\]ancel.*name\?/s);
    command.type("Ada\r");
    expect((await command.ended()).code).toBe(0);
  });

  test.each(["SIGTERM", "SIGHUP"] as const)(
    "gives the terminal back at %s in the middle of a secret",
    async (signal) => {
      const { command, server } = await start(async (task) => task.ask("password? ", { password: true }));
      await command.shows("password? ");
      command.signal(signal);
      expect((await command.ended()).code).toBe(130);
      expect(server.tasks[0]?.cancelled.aborted).toBe(false);
      expect(command.echoes).toBe(true);
    },
  );

  test("echoes nothing that is typed before it is asked for, and takes it as the answer", async () => {
    const typed = Promise.withResolvers<void>();
    const { command, server } = await start(async (task) => {
      task.write("working\n");
      await typed.promise;
      await task.ask("password? ", { password: true });
      return task.ask("name? ");
    });
    await command.shows("working");
    command.type("hunter2\rAda");
    typed.resolve();
    await command.shows("name? Ada");
    command.type("\r");
    expect((await command.ended()).code).toBe(0);
    expect(server.tasks[0]?.answers).toEqual(["hunter2", "Ada"]);
    expect(command.stdout).not.toContain("hunter");
  });

  test("detaches at Ctrl-D instead of an answer", async () => {
    const { command, server } = await start(async (task) => task.ask("name? "));
    await command.shows("name? ");
    command.type("\u0004");
    expect((await command.ended()).code).toBe(0);
    expect(command.stdout).toContain("antiphon attach");
    expect(command.stdout).not.toContain("[c]ancel");
    expect(server.tasks[0]?.cancelled.aborted).toBe(false);
    expect(command.echoes).toBe(true);
  });

  test("shows an answer that is longer than the terminal once, and what comes after it below", async () => {
    const { command, server } = await start(async (task) => {
      const answer = await task.ask("one\ntwo? ");
      task.write("done\n");
      return answer.length;
    });
    await command.shows("two? ");
    command.type("x".repeat(250));
    await command.shows("x".repeat(100));
    command.type("\r");
    expect((await command.ended()).code).toBe(0);
    expect(server.tasks[0]?.answers).toEqual(["x".repeat(250)]);
    const lines = shownOn({ columns: 100, rows: 24 }, command.stdout);
    const first = lines.indexOf("one");
    expect(lines.slice(first, first + 5)).toEqual([
      "one",
      `two? ${"x".repeat(95)}`,
      "x".repeat(100),
      "x".repeat(55),
      "done",
    ]);
    expect(lines.filter((line) => line === "one")).toHaveLength(1);
  });

  test("shows control characters of a question to nobody", async () => {
    const { command } = await start(async (task) => task.ask("\u001b]0;owned\u0007name? "));
    await command.shows("name? ");
    command.type("Ada\r");
    await command.ended();
    expect(command.stdout).not.toContain("\u001b]0;");
  });

  test("shows what agents say to each other as lines", async () => {
    const { command } = await start((task) => {
      task.message({ type: "text", content: { sender: "user", recipient: "assistant", content: "hello" } });
      task.message({ type: "using_auto_reply", content: { sender: "user" } });
    });
    await command.ended();
    expect(command.stdout).toContain("user → assistant: hello");
    expect(command.stdout).not.toContain("auto_reply");
  });
});

async function start(program: FakeProgram) {
  const server = new FakeAntiphon({ "a.py": program });
  const { url } = opened.use(await server.listen());
  const env = { ANTIPHON_URL: url, ANTIPHON_CLIENT_ID: "c1", ANTIPHON_CLIENT_SECRET: "s1" };
  const command = opened.use(CommandLine.onTerminal(["run", join(folder.path, "a.py")], env));
  await until("the task is submitted", () => server.tasks.length > 0, 50_000);
  return { server, command };
}
