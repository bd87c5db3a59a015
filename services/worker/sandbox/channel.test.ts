import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SocketChannel } from "./channel.ts";
import { longestResultLine, type ProgramMessage } from "./program-message.ts";

let folder: string;
let channel: SocketChannel;
const programs: Socket[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "channel-"));
  channel = await SocketChannel.listen({
    path: join(folder, "ctl.sock"),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    start: { runId: "r", taskId: "t", attempt: 1, input: { x: 1 } },
  });
});

afterEach(async () => {
  for (const program of programs.splice(0)) program.destroy();
  await channel.close();
  await rm(folder, { recursive: true });
});

/** A program's end of the channel. */
function aProgram() {
  const socket = connect(join(folder, "ctl.sock"));
  socket.on("error", () => undefined);
  programs.push(socket);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  return {
    socket,
    say: (...values: unknown[]) =>
      socket.write(
        values.map((value) => `${typeof value === "string" ? value : JSON.stringify(value)}\n`).join(""),
      ),
    heard: async (): Promise<unknown> => {
      const { value, done } = await lines.next();
      return done === true ? undefined : JSON.parse(value);
    },
  };
}

async function received(count: number): Promise<ProgramMessage[]> {
  const messages: ProgramMessage[] = [];
  for await (const message of channel) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

const start = { type: "start", run_id: "r", task_id: "t", attempt: 1, input: { x: 1 } };

test("tells every connection what it was started for", async () => {
  expect(await aProgram().heard()).toEqual(start);
  expect(await aProgram().heard()).toEqual(start);
});

test("passes messages on in order and drops what is none", async () => {
  const program = aProgram();
  program.say({ type: "progress", fraction: 0 }, "garbage", { type: "admin" }, { type: "result", value: 7 });
  expect(await received(2)).toEqual([
    { type: "progress", fraction: 0, label: "" },
    { type: "result", value: 7 },
  ]);
  expect(channel.droppedLines).toBe(2);
});

test("skips an endless line without keeping it", async () => {
  const program = aProgram();
  program.say("x".repeat(3 * longestResultLine), { type: "message", message: "after" });
  expect(await received(1)).toEqual([{ type: "message", message: "after" }]);
  expect(channel.droppedLines).toBe(1);
});

test("answers the connection that asked, and only that one", async () => {
  const asker = aProgram();
  const other = aProgram();
  expect([await asker.heard(), await other.heard()]).toEqual([start, start]);
  asker.say({ type: "input_request", prompt_id: "p", prompt: "name? " });
  expect(await received(1)).toMatchObject([{ promptId: "p", prompt: "name? " }]);
  channel.send({ type: "input", promptId: "p", value: "Ada" });
  channel.send({ type: "cancel" });
  expect(await asker.heard()).toEqual({ type: "input", prompt_id: "p", value: "Ada", closed: false });
  expect(await other.heard()).toEqual({ type: "cancel" });
});

test("hands an answer to whoever is connected when the asker is gone", async () => {
  const asker = aProgram();
  asker.say({ type: "input_request", prompt_id: "p" });
  await received(1);
  asker.socket.destroy();
  const successor = aProgram();
  await successor.heard();
  successor.say({ type: "input_request", prompt_id: "p" });
  await received(1);
  channel.send({ type: "input", promptId: "p", value: "x" });
  expect(await successor.heard()).toMatchObject({ value: "x" });
});

test("a question that is open already is not asked again", async () => {
  const program = aProgram();
  const question = { type: "input_request", prompt_id: "p" };
  program.say(question, question, { type: "progress", fraction: 1 });
  expect((await received(2)).map(({ type }) => type)).toEqual(["input_request", "progress"]);
});

test("closes the question at once when too many are open", async () => {
  const program = aProgram();
  program.say(
    ...Array.from({ length: 65 }, (_, index) => ({ type: "input_request", prompt_id: `p${index}` })),
  );
  await received(64);
  expect(await program.heard()).toEqual(start);
  expect(await program.heard()).toEqual({ type: "input", prompt_id: "p64", value: null, closed: true });
});

test("refuses the ninth connection", async () => {
  const eight = Array.from({ length: 8 }, aProgram);
  await Promise.all(eight.map((program) => program.heard()));
  expect(await aProgram().heard()).toBeUndefined();
});

test("tells a late connection that the task is cancelled", async () => {
  channel.send({ type: "cancel" });
  const program = aProgram();
  expect([await program.heard(), await program.heard()]).toEqual([start, { type: "cancel" }]);
});

test("stops reading a program that floods it, and reads on when it is read", async () => {
  const program = aProgram();
  const message = { type: "message", message: "x".repeat(60_000) };
  const total = 100;
  for (let sent = 0; sent < total; sent += 1) program.say(message);
  expect(await received(total)).toHaveLength(total);
});

test("bounds how many messages a second it takes, and loses none", async () => {
  const program = aProgram();
  const total = 1500;
  program.say(...Array.from({ length: total }, () => ({ type: "progress", fraction: 0 })));
  expect(await received(total)).toHaveLength(total);
});

test("ends its messages after the program's end with everything that was sent", async () => {
  const program = aProgram();
  await program.heard();
  program.say({ type: "result", value: 1 });
  program.socket.end('{"type":"result","value":');
  await channel.finish();
  const messages: ProgramMessage[] = [];
  for await (const message of channel) messages.push(message);
  expect(messages).toEqual([{ type: "result", value: 1 }]);
  expect(channel.droppedLines).toBe(1);
});
