import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { FakeAntiphon, type FakeProgram } from "../../test/support/fake-antiphon.ts";
import { Wire } from "../../test/support/wire.ts";
import { Antiphon } from "./antiphon.ts";
import type { TaskEvent } from "./task-event.ts";

const credentials = { clientId: "c1", clientSecret: "s1" };
let opened: AsyncDisposableStack;

beforeEach(() => {
  opened = new AsyncDisposableStack();
});

afterEach(() => opened.disposeAsync());

describe("attachment", () => {
  test("brings the whole transcript, the questions and the end", async () => {
    const { antiphon } = await start(async (task) => {
      task.write("hello\n");
      const name = await task.ask("name? ");
      task.write(`hello ${name}\n`);
      return { name };
    });
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    const seen: string[] = [];
    for await (const event of task.attach()) {
      if (event.kind !== "state") seen.push(told(event));
      if (event.kind === "prompt") await event.reply("Ada");
    }
    expect(seen).toEqual([
      "hello\n",
      "asked",
      "prompt name? ",
      "prompt_closed",
      "answered",
      "hello Ada\n",
      "end",
    ]);
    expect(await task.wait()).toEqual({ name: "Ada" });
  });

  test("goes on after a cut with every entry once and in order", async () => {
    const lines = Array.from({ length: 200 }, (_, index) => `${index}\n`);
    const { antiphon, wire } = await start(async (task) => {
      for (const line of lines.slice(0, 100)) task.write(line);
      await task.ask("go on? ");
      for (const line of lines.slice(100)) task.write(line);
    });
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    const seen: string[] = [];
    let cuts = 0;
    for await (const event of task.attach()) {
      if (event.kind === "output") seen.push(told(event));
      if (event.kind === "reconnected") cuts += 1;
      if (event.kind === "output" && [50, 150].includes(seen.length)) void wire.cut().then(() => wire.mend());
      if (event.kind === "prompt") await event.reply("yes");
    }
    expect(seen).toEqual(lines);
    expect(cuts).toBeGreaterThan(0);
  });

  test("puts a question once and sends its answer until it is confirmed, under one request id", async () => {
    const { antiphon, wire, server } = await start(async (task) => task.ask("name? "));
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    let questions = 0;
    let answered: Promise<void> | undefined;
    for await (const event of task.attach()) {
      if (event.kind !== "prompt") continue;
      questions += 1;
      await wire.cut();
      answered = event.reply("Ada");
      void wire.mend();
    }
    await answered;
    expect(questions).toBe(1);
    expect(server.tasks[0]?.answers).toEqual(["Ada"]);
    expect(new Set(server.tasks[0]?.received.map(({ requestId }) => requestId)).size).toBe(1);
  });

  test("says when somebody else has answered, and refuses a late answer", async () => {
    const { antiphon, server } = await start(async (task) => {
      const name = await task.ask("name? ");
      await task.ask("more? ");
      return name;
    });
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    const refusals: unknown[] = [];
    const replies: ((answer: string) => Promise<void>)[] = [];
    for await (const event of task.attach()) {
      if (event.kind !== "prompt") continue;
      replies.push(event.reply);
      if (replies.length === 1) server.tasks[0]?.answerElsewhere("Eve");
      if (replies.length < 2) continue;
      await replies[0]?.("Ada").catch((error: unknown) => refusals.push(error));
      await event.reply("no");
    }
    expect(refusals).toMatchObject([{ name: "AnswerRefused", reason: "PROMPT_CLOSED" }]);
    expect(await task.wait()).toBe("Eve");
  });

  test("says when nobody has answered in time, and what the program got", async () => {
    const { antiphon, server } = await start(async (task) => await task.ask("name? "));
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    const seen: unknown[] = [];
    for await (const event of task.attach()) {
      if (event.kind === "prompt") server.tasks[0]?.timeOutPrompts();
      if (event.kind === "prompt_closed" || event.kind === "answered") seen.push(event);
    }
    expect(seen).toMatchObject([
      { kind: "prompt_closed", answered: false, timedOut: true, answeredBy: "" },
      { kind: "answered", text: "", by: "" },
    ]);
    expect(await task.wait()).toBe("");
  });

  test("puts an open question to a watch that begins after it", async () => {
    const { antiphon, server } = await start(async (task) => {
      task.write("before\n");
      return task.ask("name? ");
    });
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    const after = `1-${server.tasks[0]?.entries.length}`;
    const seen: string[] = [];
    for await (const event of task.attach({ after })) {
      seen.push(told(event));
      if (event.kind === "prompt") await event.reply("Ada");
    }
    expect(seen).toContain("prompt name? ");
    expect(seen).not.toContain("before\n");
  });

  test("gives up an outage that lasts too long", async () => {
    const { antiphon, wire } = await start(async (task) => task.ask("name? "));
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    const kinds: string[] = [];
    const watching = (async () => {
      for await (const event of task.attach({ giveUpAfterMs: 500 })) {
        kinds.push(event.kind);
        if (event.kind === "prompt") void wire.cut();
      }
    })();
    await expect(watching).rejects.toThrow("ECONNREFUSED");
    expect(kinds.filter((kind) => kind === "reconnecting")).toHaveLength(1);
  });

  test("fails at once for a task that there is none of", async () => {
    const { antiphon } = await start(async () => undefined);
    const watching = antiphon.task("nothing").attach()[Symbol.asyncIterator]().next();
    await expect(watching).rejects.toMatchObject({ rawMessage: "there is no task nothing" });
  });

  test("rejects waiting for a task that failed, with the task", async () => {
    const { antiphon } = await start(() => {
      throw new Error("no");
    });
    const task = await antiphon.submit({ file: { name: "a.py", content: Buffer.from("x") } });
    await expect(task.wait()).rejects.toMatchObject({
      name: "TaskNotCompleted",
      task: { state: TaskState.FAILED, failure: { exitCode: 3 } },
    });
  });
});

function told(event: TaskEvent): string {
  if (event.kind === "output") return Buffer.from(event.data).toString();
  return event.kind === "prompt" ? `prompt ${event.text}` : event.kind;
}

async function start(program: FakeProgram) {
  const server = new FakeAntiphon({ "a.py": program });
  const wire = new Wire(opened.use(await server.listen()).port);
  opened.use(wire);
  await wire.mend();
  const antiphon = opened.use(new Antiphon({ url: wire.url, credentials }));
  return { server, wire, antiphon };
}
