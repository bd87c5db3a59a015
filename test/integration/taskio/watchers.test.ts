import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Broker } from "../../../lib/broker/broker.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { until } from "../../support/until.ts";
import { FakeWriter } from "./fake-writer.ts";
import {
  brokerKinds,
  clientOf,
  entriesOf,
  linesOf,
  newsOf,
  serveLocally,
  TaskIOWorld,
  withMethods,
} from "./taskio-world.ts";

const chunk = "x".repeat(60_000);

describe.each(brokerKinds)("watchers on %s", (kind) => {
  let world: TaskIOWorld;
  beforeEach(async () => {
    world = await TaskIOWorld.open(kind);
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("a slow one is dropped, may resume, and slows nobody", async () => {
    const running = await world.start({ behind: { entries: 100, bytes: 8 * 1_048_576 } });
    await using served = await serveLocally(running);
    const { client } = served;
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const slow = newsOf(client, taskId);
    expect((await slow.next()).value).toMatchObject({ case: "snapshot" });
    const quick = newsOf(client, taskId);
    for (let number = 1; number <= 300; number++) {
      await writer.write(chunk);
      while (await quick.next().then(({ value }) => value?.case !== "entry"));
    }
    await world.scheduler.end(taskId, 300);
    expect((await quick.next()).value).toMatchObject({ case: "stateChanged" });
    expect((await quick.next()).value).toMatchObject({ case: "end" });

    let last = 0;
    const dropped: unknown = await (async () => {
      for await (const news of slow) if (news.case === "entry") last = news.value.seq;
    })().catch((error: unknown) => error);
    expect(fromConnectError(dropped)).toMatchObject({
      reason: "WATCHER_TOO_SLOW",
      code: Code.ResourceExhausted,
    });
    expect(last).toBeLessThan(300);
    const rest = await entriesOf(client, taskId, `1-${last}`);
    expect(rest.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 - last }, (_, at) => last + 1 + at));
  });

  test("a thousand of one task read the stream as one", async () => {
    const range = vi.fn<Broker["range"]>((stream, options) => world.broker.range(stream, options));
    const running = await world.start({ broker: withMethods(world.broker, { range }) });
    const client = clientOf(running);
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const all = Array.from({ length: 1_000 }, () => entriesOf(client, taskId));
    await vi.waitFor(() => expect(running.load()).toEqual({ feeds: 1, watchings: 1_000 }), 10_000);
    for (let number = 1; number <= 20; number++) await writer.write(`line ${number}`);
    await world.scheduler.end(taskId, 20);
    const expected = Array.from({ length: 20 }, (_, index) => `1-${index + 1} line ${index + 1}`);
    for (const entries of await Promise.all(all)) expect(linesOf(entries)).toEqual(expected);
    expect(range.mock.calls.length).toBeLessThan(200);
    expect(running.load()).toEqual({ feeds: 0, watchings: 0 });
  });

  test("one that hangs up leaves nothing behind", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    const hangUp = new AbortController();
    const news = newsOf(clientOf(running), taskId, { signal: hangUp.signal });
    await news.next();
    const waiting = news.next();
    expect(running.load()).toEqual({ feeds: 1, watchings: 1 });
    hangUp.abort();
    await expect(waiting).rejects.toMatchObject({ code: Code.Canceled });
    await vi.waitFor(() => expect(running.load()).toEqual({ feeds: 0, watchings: 0 }), 5_000);
  });

  test("are told that the service stops", async () => {
    const running = await world.start();
    const news = newsOf(clientOf(running), world.scheduler.task());
    await news.next();
    const waiting = news.next().catch(fromConnectError);
    await running[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ code: Code.Unavailable });
    expect(running.load()).toEqual({ feeds: 0, watchings: 0 });
  });

  test("are told that the server stops", async () => {
    const running = await world.start();
    const served = await serveLocally(running);
    const news = newsOf(served.client, world.scheduler.task());
    await news.next();
    const waiting = news.next().catch(fromConnectError);
    await served.stop();
    expect(await waiting).toMatchObject({ reason: "SERVICE_UNAVAILABLE", code: Code.Unavailable });
    await vi.waitFor(() => expect(running.load()).toEqual({ feeds: 0, watchings: 0 }), 5_000);
    await served[Symbol.asyncDispose]();
  });

  test("get a sign of life when there is no news", async () => {
    const running = await world.start({ heartbeatMs: 50 });
    const news = newsOf(clientOf(running), world.scheduler.task());
    expect((await news.next()).value).toMatchObject({ case: "snapshot" });
    expect((await news.next()).value).toMatchObject({ case: "heartbeat" });
    expect((await news.next()).value).toMatchObject({ case: "heartbeat" });
    await news.return(undefined);
  });

  test("follow many tasks over one stream, to the end of all of them", async () => {
    const running = await world.start();
    const taskIds = Array.from({ length: 20 }, () => world.scheduler.task());
    const seen = new Map<string, string[]>();
    const ended: string[] = [];
    const watching = (async () => {
      const tasks = taskIds.map((taskId) => ({ taskId }));
      for await (const { news } of clientOf(running).watch({ tasks })) {
        if (news?.news.case === "end") ended.push(news.taskId);
        if (news?.news.case !== "entry") continue;
        seen.set(news.taskId, [...(seen.get(news.taskId) ?? []), ...linesOf([news.news.value])]);
      }
    })();
    await Promise.all(
      taskIds.map(async (taskId, index) => {
        const writer = new FakeWriter(world.broker, taskId);
        for (let number = 0; number < index; number++) await writer.write(`${number}`);
        await world.scheduler.end(taskId, index);
      }),
    );
    await watching;
    expect(ended.sort()).toEqual(taskIds.sort());
    for (const lines of seen.values()) {
      expect(lines).toEqual(lines.map((_, index) => `1-${index + 1} ${index}`));
    }
    expect([...seen.values()].map(({ length }) => length).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 19 }, (_, index) => index + 1),
    );
  });

  test("of a thousand idle tasks cost a question or two a look, and no answer", async () => {
    const running = await world.start();
    const taskIds = Array.from({ length: 1_000 }, () => world.scheduler.task());
    const stop = new AbortController();
    let snapshots = 0;
    const watching = Array.from({ length: 10 }, async (_, index) => {
      const tasks = taskIds.slice(index * 100, index * 100 + 100).map((taskId) => ({ taskId }));
      for await (const { news } of clientOf(running).watch({ tasks }, { signal: stop.signal })) {
        if (news?.news.case === "snapshot") snapshots += 1;
      }
    }).map((each) => each.catch(() => undefined));
    await until("all are watched", () => snapshots === 1_000, 30_000);
    const { calls, statesAnswered } = world.scheduler;
    await until("they were looked at three times", () => world.scheduler.calls >= calls + 3, 30_000);
    expect(world.scheduler.calls - calls).toBeLessThan(30);
    expect(world.scheduler.statesAnswered).toBe(statesAnswered);
    stop.abort();
    await Promise.all(watching);
  });

  test("see a task's news although every wake is lost", async () => {
    const deaf = withMethods(world.broker, { read: async (_, signal) => await untilAborted(signal) });
    const running = await world.start({ broker: deaf });
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const reading = entriesOf(clientOf(running), taskId);
    await writer.write("one");
    await writer.write("two");
    await world.scheduler.end(taskId, 2);
    expect(linesOf(await reading)).toEqual(["1-1 one", "1-2 two"]);
  });
});

async function untilAborted(signal: AbortSignal): Promise<never[]> {
  const { promise, resolve } = Promise.withResolvers<never[]>();
  signal.addEventListener("abort", () => resolve([]));
  return await promise;
}
