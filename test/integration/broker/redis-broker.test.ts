import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { brokerSuite } from "../../../lib/broker/broker.suite.ts";
import { BrokerUnavailable, type Entry, type EntryId } from "../../../lib/broker/broker.ts";
import { RedisBroker } from "../../../lib/broker/redis-broker.ts";
import { askRedis } from "../../../lib/broker/redis-inline.ts";
import { RedisServer } from "../../../lib/broker/redis-server.ts";

const never = new AbortController().signal;
const longMs = 60_000;
const stream = "test:stream";

let dataDirectory: string;
let server: RedisServer;
let broker: RedisBroker;

beforeAll(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "antiphon-broker-test-"));
  server = await RedisServer.start({ dataDirectory });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(dataDirectory, { recursive: true });
});

brokerSuite("redis broker", async () => await RedisBroker.open({ url: server.url }));

describe("a redis broker", () => {
  beforeEach(async () => {
    await ask("FLUSHALL");
    broker = await RedisBroker.open({ url: server.url });
  });
  afterEach(async () => {
    await broker[Symbol.asyncDispose]();
  });

  test("goes on taking when everything is flushed under a taker that waits, and misses nothing", async () => {
    const waiting = take([stream]);
    await blocked(1);
    await ask("FLUSHALL");
    await publish(stream, "after the flush");
    expect(texts(await waiting)).toEqual(["after the flush"]);
  });

  test("takes what was published to a stream that came back without its group", async () => {
    await publish(stream, "lost");
    await take([stream]);
    await ask("FLUSHALL");
    await publish(stream, "1");
    await publish(stream, "2");
    expect(texts(await take([stream, "test:other"]))).toEqual(["1", "2"]);
  });

  test("goes on reading when everything is flushed under a reader that waits", async () => {
    const [id] = await publish(stream, "before");
    const waiting = readAfter(id);
    await blocked(1);
    await ask("FLUSHALL");
    await publish(stream, "after the flush");
    expect(texts(await waiting)).toEqual(["after the flush"]);
  });

  test("shows a loss by its counter and its last ids", async () => {
    await publish(stream, "lost");
    expect([await broker.raise("test:counter"), await broker.raise("test:counter")]).toEqual([1, 2]);
    await ask("FLUSHALL");
    expect(await broker.raise("test:counter")).toBe(1);
    expect(await broker.lastId(stream)).toBe("0-0");
  });

  test("rejects who waited when redis is killed, and works again when it is back", async () => {
    const waiting = Promise.allSettled([take([stream]), readAfter("0-0")]);
    await blocked(2);
    process.kill(await pidOfServer(), "SIGKILL");
    expect(await waiting).toEqual([unavailable, unavailable]);
    await workAgain();
    expect(texts(await take(["test:again"]))).toEqual(["again"]);
  });

  test("rejects whatever is asked while there is no redis, and closes all the same", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "antiphon-broker-test-"));
    const vanishing = await RedisServer.start({ dataDirectory: elsewhere });
    await using orphan = await RedisBroker.open({ url: vanishing.url });
    await vanishing[Symbol.asyncDispose]();
    await rm(elsewhere, { recursive: true });
    const results = await Promise.allSettled([
      orphan.publish([{ stream, body: bytes("x") }]),
      orphan.take({ ...asTaker, streams: [stream], waitMs: longMs }, never),
      orphan.read({ after: new Map([[stream, "0-0"]]), count: 1, waitMs: longMs }, never),
      orphan.appendNumbered({ stream, series: 1, after: 0, bodies: [] }),
      orphan.ping(longMs),
    ]);
    expect(results).toEqual([unavailable, unavailable, unavailable, unavailable, unavailable]);
    const abort = new AbortController();
    const aborted = orphan.take({ ...asTaker, streams: [stream], waitMs: longMs }, abort.signal);
    abort.abort();
    await expect(aborted).resolves.toEqual([]);
  });

  test("leaves no connection behind when it is closed", async () => {
    const connections = async (): Promise<number> => (await ask("CLIENT LIST")).match(/^id=/gm)?.length ?? 0;
    const before = await connections();
    const closing = await RedisBroker.open({ url: server.url });
    const waiting = Promise.allSettled([
      closing.take({ ...asTaker, streams: [stream], waitMs: longMs }, never),
      closing.read({ after: new Map([[stream, "0-0"]]), count: 1, waitMs: longMs }, never),
    ]);
    await blocked(2);
    await closing[Symbol.asyncDispose]();
    expect(await waiting).toEqual([unavailable, unavailable]);
    await vi.waitFor(async () => expect(await connections()).toBe(before), 5_000);
  });

  test("meets ids that went back after a fail-over to a stale copy, and goes on", async () => {
    await broker.appendNumbered({ stream, series: 1, after: 0, bodies: [bytes("1"), bytes("2")] });
    await publish("test:work", "stale 1");
    await publish("test:work", "stale 2");
    await broker.raise("test:counter");
    await ask("SAVE");
    await broker.appendNumbered({ stream, series: 1, after: 2, bodies: [bytes("3"), bytes("4")] });
    const taken = await take(["test:work"]);
    expect(await broker.raise("test:counter")).toBe(2);
    process.kill(await pidOfServer(), "SIGKILL");
    await workAgain();

    expect(await broker.raise("test:counter")).toBe(2);
    expect(await broker.lastId(stream)).toBe("1-2");
    const next = { stream, series: 1, after: 4, bodies: [bytes("5")] };
    expect(await broker.appendNumbered(next)).toEqual({ kind: "gap" });
    const buffer = { stream, series: 1, after: 1, bodies: ["2", "3", "4", "5"].map(bytes) };
    const reader = readAfter("1-4");
    expect(await broker.replaceNumbered(buffer)).toEqual({ kind: "appended", firstLeft: 2 });
    expect(texts(await reader)).toEqual(["5"]);
    expect(
      await broker.has(
        "test:work",
        taken.map(({ id }) => id),
      ),
    ).toEqual(new Set(taken.map(({ id }) => id)));
    expect(texts(await take(["test:work"]))).toEqual(texts(taken));
    await rm(join(dataDirectory, "redis", "dump.rdb"));
  });

  test("rejects within seconds while redis hangs, aborts at once, and recovers when it goes on", async () => {
    const abort = new AbortController();
    const aborted = broker.take({ ...asTaker, streams: [stream], waitMs: longMs }, abort.signal);
    const waiting = Promise.allSettled([take([stream]), readAfter("0-0")]);
    await blocked(3);
    const pid = await pidOfServer();
    process.kill(pid, "SIGSTOP");
    try {
      abort.abort();
      await expect(aborted).resolves.toEqual([]);
      await expect(broker.ping(100)).rejects.toThrow(BrokerUnavailable);
      const asked = Promise.allSettled([publish(stream, "maybe"), broker.raise("test:counter")]);
      expect(await asked).toEqual([unavailable, unavailable]);
      expect(await waiting).toEqual([unavailable, unavailable]);
      await expect(broker.lastId(stream)).rejects.toThrow(BrokerUnavailable);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await workAgain();
  });

  test("rejects a waiting taker whose connection is cut, and the next one takes", async () => {
    const waiting = Promise.allSettled([take([stream])]);
    await blocked(1);
    const id = /^id=(\d+) .* cmd=xreadgroup /m.exec(await ask("CLIENT LIST"))?.[1];
    await ask(`CLIENT KILL ID ${id}`);
    expect(await waiting).toEqual([unavailable]);
    await publish(stream, "next");
    expect(texts(await take([stream]))).toEqual(["next"]);
  });

  test("deletes what a taker left that died between taking and deleting", async () => {
    await publish(stream, "left behind");
    await ask(`XGROUP CREATE ${stream} takers 0`);
    await ask(`XREADGROUP GROUP takers dead COUNT 1 NOACK STREAMS ${stream} >`);
    await publish(stream, "next");
    const [left, next] = await broker.range(stream, { after: "0-0", count: 10 });
    const ids = [left?.id ?? "0-0", next?.id ?? "0-0"] as const;
    // It is in the stream, and nobody will get it.
    expect(await broker.has(stream, ids)).toEqual(new Set([ids[1]]));
    expect(texts(await take([stream]))).toEqual(["next"]);
    expect(await ask(`XLEN ${stream}`)).toBe("0");
  });

  test("never takes more than the count although several streams fill in one step", async () => {
    const streams = ["test:a", "test:b", "test:c"];
    const waiting = take(streams, longMs, 1);
    await blocked(1);
    const fill = streams.map((each) => `redis.call('XADD', '${each}', '*', 'body', '${each}')`).join(" ");
    await ask(`EVAL "${fill} return 1" 0`);
    const first = texts(await waiting);
    expect(first).toHaveLength(1);
    const rest: string[] = [];
    while (rest.length < 2) rest.push(...texts(await take(streams)));
    expect([...first, ...rest].toSorted()).toEqual(streams);
  });

  test("uses its script although the server has forgotten it", async () => {
    const append = (after: number) =>
      broker.appendNumbered({ stream, series: 1, after, bodies: [bytes("x")] });
    await append(0);
    await ask("SCRIPT FLUSH");
    expect(await append(1)).toEqual({ kind: "appended", firstLeft: 1 });
  });

  test("keeps no more connections than waits at one time, nor memory for what was taken", async () => {
    for (let round = 0; round < 20; round += 1) {
      await Promise.all([take([stream], 1), take([stream], 1)].concat(readAfter("0-0", 1)));
    }
    const clients = (await ask("CLIENT LIST")).match(/^id=/gm) ?? [];
    expect(clients.length).toBeLessThanOrEqual(5);
    const many = Array.from({ length: 1_000 }, () => ({ stream, body: new Uint8Array(200) }));
    for (let round = 0; round < 5; round += 1) {
      await broker.publish(many);
      for (let taken = 0; taken < many.length; ) taken += (await take([stream], longMs, 100)).length;
    }
    expect(Number(await ask(`MEMORY USAGE ${stream}`))).toBeLessThan(10_000);
  });

  test("refuses what needs memory when redis is full, as unavailable", async () => {
    await ask("CONFIG SET maxmemory 1");
    try {
      await expect(publish(stream, "x")).rejects.toThrow(BrokerUnavailable);
    } finally {
      await ask("CONFIG SET maxmemory 512mb");
    }
    await publish(stream, "x");
  });

  test("rejects a publish of which a part is refused", async () => {
    await ask("SET test:text value");
    const both = broker.publish([
      { stream, body: bytes("x") },
      { stream: "test:text", body: bytes("x") },
    ]);
    await expect(both).rejects.toThrow(/^WRONGTYPE/);
  });

  test("warns of an eviction policy that loses entries, and of one it may not see", async () => {
    const warningsOf = async (url: string): Promise<string[]> => {
      const warnings: string[] = [];
      await using _ = await RedisBroker.open({ url, onWarning: (message) => warnings.push(message) });
      return warnings;
    };
    expect(await warningsOf(server.url)).toEqual([]);
    await ask("CONFIG SET maxmemory-policy allkeys-lru");
    try {
      expect(await warningsOf(server.url)).toEqual([expect.stringContaining("allkeys-lru")]);
      await ask("ACL SETUSER default -config");
      expect(await warningsOf(server.url)).toEqual([expect.stringContaining("does not tell")]);
    } finally {
      await ask("ACL SETUSER default +@all");
      await ask("CONFIG SET maxmemory-policy noeviction");
    }
  });

  test("opens every form of address, with name and password where it has them", async () => {
    const path = server.url.slice("unix://".length);
    const port = await freePort();
    await ask(`CONFIG SET port ${port}`);
    await ask("ACL SETUSER someone on >p@ss ~* &* +@all");
    const urls = [
      server.url,
      path,
      `redis://127.0.0.1:${port}/0`,
      `redis://someone:p%40ss@127.0.0.1:${port}`,
    ];
    for (const url of urls) {
      await using opened = await RedisBroker.open({ url });
      await opened.ping(1_000);
    }
    const wrong = RedisBroker.open({ url: `redis://someone:wrong@127.0.0.1:${port}`, openWithinMs: 500 });
    await expect(wrong).rejects.toThrow(/could not be reached: WRONGPASS/);
    await ask("ACL DELUSER someone");
    await ask("CONFIG SET port 0");
    await expect(RedisBroker.open({ url: "http://127.0.0.1" })).rejects.toThrow("begins with redis://");
    await expect(RedisBroker.open({ url: `${path}.none`, openWithinMs: 100 })).rejects.toThrow(
      BrokerUnavailable,
    );
  });
});

const unavailable = { status: "rejected", reason: expect.any(BrokerUnavailable) as unknown };
const asTaker = { group: "takers", consumer: "a", count: 10 };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (entries: readonly Entry[]): string[] =>
  entries.map(({ body }) => new TextDecoder().decode(body));

const publish = async (to: string, text: string): Promise<EntryId[]> =>
  await broker.publish([{ stream: to, body: bytes(text) }]);
const take = async (streams: readonly string[], waitMs = longMs, count = 10): Promise<Entry[]> =>
  await broker.take({ ...asTaker, streams, waitMs, count }, never);
const readAfter = async (id: EntryId = "0-0", waitMs = longMs): Promise<Entry[]> =>
  await broker.read({ after: new Map([[stream, id]]), count: 10, waitMs }, never);

async function ask(command: string): Promise<string> {
  return await askRedis(server.url.slice("unix://".length), command, 5_000);
}

async function pidOfServer(): Promise<number> {
  return Number(/^process_id:(\d+)/m.exec(await ask("INFO server"))?.[1]);
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  return port;
}

/** Resolves when so many clients wait in Redis. */
async function blocked(count: number): Promise<void> {
  await vi.waitFor(
    async () => expect(await ask("INFO clients")).toContain(`blocked_clients:${count}\r`),
    5_000,
  );
}

/** Resolves when the broker carries messages again. */
async function workAgain(): Promise<void> {
  await vi.waitFor(async () => await publish("test:again", "again"), { timeout: 10_000, interval: 50 });
}
