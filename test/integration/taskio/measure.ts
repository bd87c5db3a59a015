import { mkdtemp } from "node:fs/promises";
import { createClient } from "@connectrpc/connect";
import { pino } from "pino";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { RedisBroker } from "../../../lib/broker/redis-broker.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../../lib/postgres/embedded-postgres.ts";
import { migrate } from "../../../lib/postgres/migrate.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { serve } from "../../../lib/rpc/serve.ts";
import { taskio } from "../../../services/taskio/taskio.ts";
import { startRedis } from "../../support/start-redis.ts";
import { FakeScheduler } from "./fake-scheduler.ts";
import { FakeWriter } from "./fake-writer.ts";

const [kind = "redis", wire = "local", mb = "200"] = process.argv.slice(2);
const log = pino({ level: "warn" });
const pg = await EmbeddedPostgres.start({ dataDirectory: await mkdtemp("/tmp/taskio-measure/pg") });
const db = new Database(pg.url);
await migrate(db, {
  schema: "taskio",
  directory: new URL("../../../services/taskio/migrations", import.meta.url).pathname,
});
const redis = kind === "redis" ? await startRedis() : undefined;
const broker = redis ? await RedisBroker.open({ url: redis.url }) : new MemoryBroker();
const workerBroker = redis ? await RedisBroker.open({ url: redis.url }) : broker;
const scheduler = new FakeScheduler(broker);
const times: Record<string, [number, number]> = {};
const timed = <T extends object>(o: T, pre: string): T =>
  new Proxy(o, {
    get(t, k) {
      const v = Reflect.get(t, k, t);
      if (typeof v !== "function") return v;
      return (...a: unknown[]) => {
        const b = performance.now();
        const key =
          pre +
          String(k) +
          (k === "query" ? (a[0] as { text: string }).text.trim().slice(0, 40).replace(/\s+/g, " ") : "");
        const r = v.apply(t, a);
        if (r instanceof Promise)
          void r
            .finally(() => {
              const e = (times[key] ??= [0, 0]);
              e[0]++;
              e[1] += performance.now() - b;
            })
            .catch(() => {});
        return r;
      };
    },
  });
const running = await taskio({
  db: timed(db, "db."),
  broker: timed(broker, "broker."),
  scheduler: scheduler.transport,
  log,
  settings: {
    lostAfterMs: 10_000,
    scanMs: 60_000,
    heartbeatMs: 15_000,
    behind: { entries: 8192, bytes: 16 * 1048576 },
  },
});
const verify = async () => ({
  clientId: "alice",
  audience: "tasks-api" as const,
  expiresAt: new Date(Date.now() + 3600_000),
});
const server = await serve({ host: "127.0.0.1", port: 0, services: [running], verify, log });
const transport =
  wire === "local"
    ? localTransport(running, { verify, log, token: async () => "t" })
    : networkTransport({ url: server.url, token: async () => "t" });
const client = createClient(TaskIOService, transport);

// latency
{
  const taskId = scheduler.task();
  const writer = new FakeWriter(workerBroker, taskId);
  const sent: number[] = [];
  const latencies: number[] = [];
  let i = 0;
  for await (const { news } of client.watch({ tasks: [{ taskId }] })) {
    if (news?.news.case === "entry") latencies.push(performance.now() - (sent[i - 1] ?? 0));
    if (news?.news.case === "end") break;
    if (news?.news.case === "snapshot" || news?.news.case === "entry") {
      if (i === 500) {
        await scheduler.end(taskId, 500);
        i++;
        continue;
      }
      await new Promise((r) => setTimeout(r, 3));
      sent.push(performance.now());
      i++;
      void writer.write("hello\n");
    }
  }
  latencies.sort((a, b) => a - b);
  console.log(kind, wire, "latency ms p50", latencies[250]?.toFixed(2), "p99", latencies[495]?.toFixed(2));
}
// throughput
{
  const taskId = scheduler.task();
  const writer = new FakeWriter(workerBroker, taskId);
  const line = "x".repeat(99) + "\n";
  const chunk = new TextEncoder().encode(line.repeat(640));
  for (const k of Object.keys(times)) delete times[k];
  const total = Number(mb) * 1e6;
  let received = 0;
  const began = performance.now();
  const reading = (async () => {
    let after = "";
    for (;;) {
      try {
        for await (const { news } of client.watch({ tasks: [{ taskId, after }] })) {
          if (news?.news.case === "entry" && news.news.value.body.case === "output") {
            received += news.news.value.body.value.data.length;
            after = `${news.news.value.attempt}-${news.news.value.seq}`;
          }
          if (news?.news.case === "end") return;
        }
        return;
      } catch (error) {
        console.log("dropped:", String(error));
      }
    }
  })();
  let written = 0;
  let pauses = 0;
  let archivedAt = 0;
  while (written < total) {
    while (writer.unarchived * chunk.length > 8 * 1048576) {
      pauses++;
      await new Promise((r) => setTimeout(r, 5));
      await writer.ask();
    }
    const n = Math.min(8, Math.ceil((total - written) / chunk.length));
    await writer.write(...Array.from({ length: n }, () => chunk));
    written += n * chunk.length;
  }
  await scheduler.end(taskId, writer.lastSeq);
  await reading;
  console.log(
    Object.entries(times)
      .map(([k, [n, ms]]) => `${k} n=${n} ${ms.toFixed(0)}ms`)
      .join("\n"),
  );
  const seconds = (performance.now() - began) / 1000;
  await writer.archived(60000);
  archivedAt = (performance.now() - began) / 1000;
  console.log(
    kind,
    wire,
    `${(received / 1e6 / seconds).toFixed(0)} MB/s`,
    `${Math.round(received / 100 / seconds)} lines/s`,
    "pauses",
    pauses,
    "archived MB/s",
    (written / 1e6 / archivedAt).toFixed(0),
    received === written,
  );
}
await server[Symbol.asyncDispose]();
await running[Symbol.asyncDispose]();
await broker[Symbol.asyncDispose]();
if (workerBroker !== broker) await workerBroker[Symbol.asyncDispose]();
await redis?.[Symbol.asyncDispose]();
await db[Symbol.asyncDispose]();
await pg[Symbol.asyncDispose]();
process.exit(0);
