import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Entry } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { type Broker, BrokerUnavailable } from "../../../lib/broker/broker.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { transcriptStreamOf } from "../../../lib/streams/transcript-stream.ts";
import { FakeWriter } from "./fake-writer.ts";
import {
  brokerKinds,
  clientOf,
  entriesOf,
  linesOf,
  newsOf,
  type TaskIOClient,
  TaskIOWorld,
  withMethods,
} from "./taskio-world.ts";

describe.each(brokerKinds)("every reader gets every entry once and in order, on %s", (kind) => {
  let world: TaskIOWorld;
  beforeEach(async () => {
    world = await TaskIOWorld.open(kind);
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("while attempts change, the stream is lost again and again, two processes archive, and watchers come and go", async () => {
    const clients = [clientOf(await world.start()), clientOf(await world.start())] as const;
    const taskId = world.scheduler.task();
    const steady = clients.map((client) => entriesOf(client, taskId));
    const restless = clients.map((client) => resuming(client, taskId));
    const expected = await writeThreeAttempts(world, taskId);
    for (const entries of await Promise.all([...steady, ...restless])) {
      expect(linesOf(entries)).toEqual(expected);
    }
    for (const cursor of [0, 1, 57, 150, 299]) {
      const after = expected[cursor]?.split(" ")[0] ?? "";
      expect(linesOf(await entriesOf(clients[0], taskId, after))).toEqual(expected.slice(cursor + 1));
    }
    expect(linesOf(await paged(clients[1], taskId))).toEqual(expected);
  });

  test("when a taskio dies between commit and trim: another one trims, and stores nothing twice", async () => {
    const death = Promise.withResolvers<never>();
    const trim = vi.fn<Broker["trim"]>(() => death.promise);
    const db = new Database(world.databaseUrl);
    const dying = await world.start({ broker: withMethods(world.broker, { trim }), db });
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    await vi.waitFor(async () => {
      await writer.wake();
      await writer.write("stored but not trimmed");
      expect(trim).toHaveBeenCalled();
    }, 10_000);
    await db.close();
    death.reject(new BrokerUnavailable("the process is dead"));
    await dying[Symbol.asyncDispose]();

    const running = await world.start();
    await writer.write("after");
    await writer.archived();
    await world.scheduler.end(taskId, writer.lastSeq);
    const entries = await entriesOf(clientOf(running), taskId);
    expect(entries.map(({ seq }) => seq)).toEqual(
      Array.from({ length: writer.lastSeq }, (_, index) => index + 1),
    );
  });

  test("when another process archives and trims before this one has seen the entries", async () => {
    let isBlind = true;
    const range: Broker["range"] = async (stream, options) =>
      isBlind ? [] : await world.broker.range(stream, options);
    const late = await world.start({ broker: withMethods(world.broker, { range }) });
    const archiving = await world.start();
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const reading = entriesOf(clientOf(late), taskId);
    await vi.waitFor(() => expect(late.load().feeds).toBe(1), 10_000);
    await writer.write("1", "2", "3");
    await writer.archived();
    await archiving[Symbol.asyncDispose]();
    await writer.write("4", "5");
    isBlind = false;
    await world.scheduler.end(taskId, 5);
    expect(linesOf(await reading)).toEqual(["1-1 1", "1-2 2", "1-3 3", "1-4 4", "1-5 5"]);
  });

  test("and an ended task leaves no stream behind, while its transcript stays", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    await writer.write("all");
    await world.scheduler.end(taskId, 1);
    await vi.waitFor(async () => {
      expect(await world.broker.lastId(transcriptStreamOf(taskId))).toBe("0-0");
    }, 15_000);
    expect(linesOf(await entriesOf(clientOf(running), taskId))).toEqual(["1-1 all"]);
  });
});

/** Three attempts of a hundred entries; the broker loses the stream in the middle of each, now and then. */
async function writeThreeAttempts(world: TaskIOWorld, taskId: string): Promise<string[]> {
  const lines: string[] = [];
  for (const attempt of [1, 2, 3]) {
    const writer = new FakeWriter(world.broker, taskId, attempt);
    for (let number = 1; number <= 100; number++) {
      await writer.write(`${number} of ${attempt}`);
      lines.push(`${attempt}-${number} ${number} of ${attempt}`);
      if (number % 23 === 0) await world.broker.drop([transcriptStreamOf(taskId)]);
      if (number % 40 === 0) await writer.archived();
    }
    await writer.ask();
    if (attempt === 3) await world.scheduler.end(taskId, 100);
    else await world.scheduler.retry(taskId, attempt === 1 ? 100 : undefined);
    // A worker that is superseded before everything is archived has lost it.
    await writer.archived();
  }
  return lines;
}

/** Watches, hangs up after a few entries, and watches again after the last of them, to the end. */
async function resuming(client: TaskIOClient, taskId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  let after = "";
  for (;;) {
    let patience = Math.ceil(Math.random() * 30);
    for await (const news of newsOf(client, taskId, { after })) {
      if (news.case === "end") return entries;
      if (news.case !== "entry") continue;
      entries.push(news.value);
      after = `${news.value.attempt}-${news.value.seq}`;
      patience -= 1;
      if (patience === 0) break;
    }
  }
}

/** The whole transcript by GetTranscript, a page at a time. */
async function paged(client: TaskIOClient, taskId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  let after = "";
  for (;;) {
    const page = await client.getTranscript({ taskId, after, pageSize: 33 });
    entries.push(...page.entries);
    after = page.nextAfter;
    if (page.ended) return entries;
  }
}
