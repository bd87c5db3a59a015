import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EntrySchema, Output_Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { encodeReport } from "../../../lib/streams/report-stream.ts";
import { encodeEntry } from "../../../lib/streams/transcript-stream.ts";
import { until } from "../../support/until.ts";
import { isolationForTests, isRunning, kindsOf, outputOf, WorkerWorld } from "./worker-world.ts";

const conversation = `
import antiphon, os, pathlib
print("hello", flush=True)
name = input("name? ")
print("hi " + name, flush=True)
(antiphon.output_dir() / "note.txt").write_text("for " + name)
antiphon.result({"name": name, "input": antiphon.context().input})
`;

let shared: Awaited<ReturnType<typeof isolationForTests>>;
let world: WorkerWorld;

beforeAll(async () => {
  shared = await isolationForTests();
});

afterAll(async () => {
  await shared[Symbol.asyncDispose]();
});

describe.each(["memory", "redis"] as const)("a program on the %s broker", (kind) => {
  beforeEach(async () => {
    world = await WorkerWorld.open(kind, shared.isolation);
  });

  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("prints, asks, gets its answer, and leaves a result and a file", async () => {
    await world.startWorker();
    const attempt = await world.owner.assignProgram(conversation, { input: { x: 1 } });
    await world.owner.answer(attempt, await world.prompt(attempt), "Ada");

    const ended = await world.ended(attempt);
    expect(JSON.parse(Buffer.from(ended.outcome.value as Uint8Array).toString())).toEqual({
      name: "Ada",
      input: { x: 1 },
    });
    expect(ended.files).toMatchObject([{ path: "note.txt", size: 7n }]);
    expect(Buffer.from(attempt.files.get("note.txt") ?? []).toString()).toBe("for Ada");

    const entries = await world.whole(attempt);
    expect(kindsOf(entries)).toEqual(["output", "prompt", "answer", "output"]);
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    expect(outputOf(entries)).toBe("hello\nhi Ada\n");
    const said = entries.map(({ body }) => body.value);
    expect(said).toContainEqual(expect.objectContaining({ text: "name? ", password: false }));
    expect(said).toContainEqual(expect.objectContaining({ text: "Ada", answeredBy: "a-client" }));
    expect(attempt.hasStarted).toBe(true);
  });

  test("reads a password that stands in no report and no entry", async () => {
    await world.startWorker();
    const secret = `secret-${randomUUID()}`;
    const attempt = await world.owner.assignProgram(`
import getpass
print(len(getpass.getpass("password? ")))
`);
    const promptId = await world.prompt(attempt);
    await world.owner.answer(attempt, promptId, secret);
    const entries = await world.whole(attempt);

    expect(outputOf(entries)).toBe(`${secret.length}\n`);
    expect(entries.find(({ body }) => body.case === "answer")?.body.value).toMatchObject({
      text: "",
      password: true,
    });
    expect(attempt.receipts).toEqual([promptId]);
    const written = [...entries.map(encodeEntry), ...world.owner.arrived.map(encodeReport)];
    expect(written.some((bytes) => Buffer.from(bytes).includes(secret))).toBe(false);
  });

  test("takes the first of two different secret answers, and confirms once", async () => {
    await world.startWorker();
    const attempt = await world.owner.assignProgram(`
import getpass
print(getpass.getpass("") == "first")
input("more? ")
`);
    const promptId = await world.prompt(attempt);
    await world.owner.answer(attempt, promptId, "first");
    await world.owner.answer(attempt, promptId, "second");
    await world.owner.answer(attempt, await world.prompt(attempt, 1), "no");
    expect(outputOf(await world.whole(attempt))).toBe("True\n");
    expect(attempt.receipts).toEqual([promptId]);
  });

  test("fails with its exit code and the last line of its complaint", async () => {
    await world.startWorker();
    const attempt = await world.owner.assignProgram(
      `
import sys
print(sys.argv[1:])
raise ValueError("no such thing")
`,
      { arguments: ["--fast", "x"] },
    );
    const { outcome } = await world.ended(attempt);
    expect(outcome).toMatchObject({
      case: "failed",
      value: {
        reason: "EXIT_CODE",
        exitCode: 1,
        message: "the program exited with code 1: ValueError: no such thing",
      },
    });
    const entries = await world.whole(attempt);
    expect(outputOf(entries)).toBe("['--fast', 'x']\n");
    expect(outputOf(entries, Output_Stream.STDERR)).toContain("Traceback");
  });

  test("ends at its wall time, in which waiting for an answer does not count", async () => {
    await world.startWorker();
    const attempt = await world.owner.assignProgram(
      `
import time
input("ready? ")
print("on", flush=True)
time.sleep(60)
`,
      { wall_time_ms: 1500 },
    );
    const promptId = await world.prompt(attempt);
    const untilMs = performance.now() + 2_000;
    await until("more than the wall time has passed", () => performance.now() > untilMs);
    expect(attempt.ended).toBeUndefined();
    await world.owner.answer(attempt, promptId, "yes");
    expect((await world.ended(attempt)).outcome).toMatchObject({ value: { reason: "WALL_TIME_LIMIT" } });
    expect(outputOf(await world.whole(attempt))).toBe("on\n");
  });

  test("is cancelled before its lease, at work, and while it waits for an answer", async () => {
    await world.startWorker({ programSlots: 3 });
    const file = `cancelled-${randomUUID()}.py`;
    const working = await world.owner.assignProgram("import time\nwhile True: time.sleep(1)", {
      fileName: file,
    });
    const waiting = await world.owner.assignProgram('input("? ")');
    await until("the program works", () => working.hasStarted && isRunning(file));
    await world.prompt(waiting);
    await world.owner.cancel(working);
    await world.owner.cancel(waiting);
    expect((await world.ended(working)).outcome.case).toBe("cancelled");
    expect((await world.ended(waiting)).outcome.case).toBe("cancelled");
    expect(isRunning(file)).toBe(false);

    world.owner.isDeaf = true;
    const unleased = await world.owner.assignProgram("print()");
    const named = (): boolean | undefined => {
      const held = world.owner.heartbeats.at(-1)?.attempts.find(({ taskId }) => taskId === unleased.taskId);
      return held?.awaitsGrant === true || held?.knowsCancel;
    };
    await until("a heartbeat names it", named);
    unleased.workerId = "worker-under-test";
    await world.owner.cancel(unleased);
    world.owner.isDeaf = false;
    expect((await world.ended(unleased)).outcome.case).toBe("cancelled");
    expect(unleased.hasStarted).toBe(false);
  });

  test("runs to its end by heartbeats alone when every order is lost", async () => {
    world.owner.losesControls = true;
    await world.startWorker();
    const attempt = await world.owner.assignProgram(conversation);
    await world.owner.answer(attempt, await world.prompt(attempt), "Ada");
    expect((await world.ended(attempt)).outcome.case).toBe("output");
    expect(outputOf(await world.whole(attempt))).toBe("hello\nhi Ada\n");
  });

  test("is unharmed by orders that come twice", async () => {
    world.owner.repeatsControls = true;
    await world.startWorker();
    const attempt = await world.owner.assignProgram(conversation);
    await world.owner.answer(attempt, await world.prompt(attempt), "Ada");
    const entries = await world.whole(attempt);
    expect(kindsOf(entries)).toEqual(["output", "prompt", "answer", "output"]);
  });

  test("has a whole transcript although the broker loses everything in between", async () => {
    await world.startWorker();
    world.archive.isAway = true;
    const attempt = await world.owner.assignProgram(`
import time
for i in range(300):
    print("line", i, flush=True)
    time.sleep(0.005)
`);
    await until("the program works", () => attempt.hasStarted);
    for (const writes of [1, 2, 3]) {
      const before = performance.now();
      await until(`loss ${writes}`, () => performance.now() > before + 300);
      await world.loseBroker();
      world.archive.isAway = writes === 1;
    }
    const expected = Array.from({ length: 300 }, (_, line) => `line ${line}\n`).join("");
    expect(outputOf(await world.whole(attempt))).toBe(expected);
  });

  test("waits while its output is not archived, and then goes on", async () => {
    await world.startWorker();
    world.archive.isAway = true;
    const attempt = await world.owner.assignProgram(`
import sys
for i in range(400):
    sys.stdout.write(chr(97 + i % 26) * 65535 + "\\n")
`);
    await until("the program works", () => attempt.hasStarted);
    const beganAt = performance.now();
    await until("the program would long have ended", () => performance.now() > beganAt + 2_000);
    expect(attempt.ended).toBeUndefined();
    world.archive.isAway = false;
    const output = outputOf(await world.whole(attempt));
    expect(output.length).toBe(400 * 65_536);
    expect(output.endsWith(`${"j".repeat(65_535)}\n`)).toBe(true);
  });

  test("is ended by its worker when no heartbeat renews its lease", async () => {
    world.owner.leaseMs = 6_500;
    await world.startWorker();
    const file = `given-up-${randomUUID()}.py`;
    const attempt = await world.owner.assignProgram("import time\ntime.sleep(60)", { fileName: file });
    await until("the program works", () => attempt.hasStarted && isRunning(file));
    world.owner.isSilent = true;
    await until("the program is gone", () => !isRunning(file));
    expect(attempt.ended).toBeUndefined();
    world.owner.isSilent = false;
    await until("no heartbeat names it", () => world.owner.heartbeats.at(-1)?.attempts.length === 0);
  });

  test("is ended at once when its lease is another's", async () => {
    await world.startWorker();
    const file = `lost-${randomUUID()}.py`;
    const attempt = await world.owner.assignProgram("import time\ntime.sleep(60)", { fileName: file });
    await until("the program works", () => attempt.hasStarted && isRunning(file));
    world.owner.lapse(attempt);
    await until("the program is gone", () => !isRunning(file));
    expect(attempt.ended).toBeUndefined();
  });

  test("ends with a worker that is superseded", async () => {
    const first = await world.startWorker();
    const file = `superseded-${randomUUID()}.py`;
    const attempt = await world.owner.assignProgram("import time\ntime.sleep(60)", { fileName: file });
    await until("the program works", () => attempt.hasStarted && isRunning(file));
    await world.startWorker();
    expect(await first.ended).toEqual({ kind: "superseded" });
    await until("the program is gone", () => !isRunning(file));
    await expect(first.check()).rejects.toThrow("takes no more work");
  });

  test("is ended when its worker is stopped", async () => {
    const running = await world.startWorker();
    const file = `stopped-${randomUUID()}.py`;
    const attempt = await world.owner.assignProgram("import time\ntime.sleep(60)", { fileName: file });
    await until("the program works", () => attempt.hasStarted && isRunning(file));
    await running[Symbol.asyncDispose]();
    expect(isRunning(file)).toBe(false);
    expect(attempt.ended).toBeUndefined();
  });

  test("gives way to a later attempt that writes", async () => {
    await world.startWorker();
    const file = `older-${randomUUID()}.py`;
    const attempt = await world.owner.assignProgram(
      "import time\nwhile True:\n    print('older', flush=True)\n    time.sleep(0.05)",
      { fileName: file },
    );
    await until("the program writes", () => world.archive.entries(attempt).length > 0);
    const stream = `antiphon:io:{${attempt.taskId}}`;
    const newer = encodeEntry(create(EntrySchema, { attempt: 2, seq: 1 }));
    await world.broker.appendNumbered({ stream, series: 2, after: 0, bodies: [newer] });
    await until("the older program is gone", () => !isRunning(file));
    expect(attempt.ended).toBeUndefined();
  });
});
