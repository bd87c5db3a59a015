import { type Client, createClient } from "@connectrpc/connect";
import { pino } from "pino";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import type { Entry, TaskNews } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import type { Broker } from "../../../lib/broker/broker.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { RedisBroker } from "../../../lib/broker/redis-broker.ts";
import { Database } from "../../../lib/postgres/database.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { serve } from "../../../lib/rpc/serve.ts";
import type { TaskIOSettings } from "../../../services/taskio/config.ts";
import { type RunningTaskIO, taskio } from "../../../services/taskio/taskio.ts";
import { aCaller } from "../../support/a-caller.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import { startRedis } from "../../support/start-redis.ts";
import { FakeScheduler } from "./fake-scheduler.ts";

/** Both kinds of broker, for `describe.each`. */
export const brokerKinds = ["redis", "memory"] as const;

export type TaskIOClient = Client<typeof TaskIOService>;

export const log = pino({ level: process.env["LOG_LEVEL"] ?? "silent" });

const settings: TaskIOSettings = {
  lostAfterMs: 1_500,
  scanMs: 60_000,
  heartbeatMs: 15_000,
  behind: { entries: 8_192, bytes: 16 * 1_048_576 },
};

/** A Postgres, a broker and a fake scheduler, with any number of taskio processes on them. */
export class TaskIOWorld implements AsyncDisposable {
  readonly broker: Broker;
  readonly databaseUrl: string;
  readonly scheduler: FakeScheduler;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: { broker: Broker; databaseUrl: string; stack: AsyncDisposableStack }) {
    this.broker = parts.broker;
    this.databaseUrl = parts.databaseUrl;
    this.#stack = parts.stack;
    this.scheduler = new FakeScheduler(parts.broker);
  }

  static async open(kind: (typeof brokerKinds)[number]): Promise<TaskIOWorld> {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await freshDatabase());
    const broker = stack.use(
      kind === "memory"
        ? new MemoryBroker()
        : await RedisBroker.open({ url: stack.use(await startRedis()).url }),
    );
    return new TaskIOWorld({ broker, databaseUrl: database.url, stack: stack.move() });
  }

  /** Starts a taskio. It ends with the world, if not before. */
  async start(
    changes: Partial<TaskIOSettings> & {
      readonly broker?: Broker;
      readonly db?: Database;
    } = {},
  ): Promise<RunningTaskIO> {
    const db = changes.db ?? this.#stack.use(new Database(this.databaseUrl));
    const parts = { db, broker: this.broker, scheduler: this.scheduler.transport, log };
    const running = await taskio({ ...parts, ...changes, settings: { ...settings, ...changes } });
    this.#stack.defer(async () => await running[Symbol.asyncDispose]());
    return running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Calls a taskio as a client. */
export function clientOf(running: RunningTaskIO, caller: Partial<Caller> = {}): TaskIOClient {
  const transport = localTransport(running, {
    log,
    verify: async () => aCaller(caller),
    token: async () => "token",
  });
  return createClient(TaskIOService, transport);
}

/** A taskio on a port of its own. */
interface ServedTaskIO extends AsyncDisposable {
  /** Calls it over the network as alice. */
  readonly client: TaskIOClient;
  /** Ends the server, not the connection of the client. */
  readonly stop: () => Promise<void>;
}

/** Serves a taskio on a port of its own. */
export async function serveLocally(running: RunningTaskIO): Promise<ServedTaskIO> {
  const verify = async () => aCaller();
  const services = [running];
  const server = await serve({ host: "127.0.0.1", port: 0, services, verify, log, shutdownGraceMs: 0 });
  const transport = networkTransport({ url: server.url, token: async () => "token" });
  return {
    client: createClient(TaskIOService, transport),
    stop: async () => await server[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      transport[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** All news of one task after a cursor, to its end. */
export async function* newsOf(
  client: TaskIOClient,
  taskId: string,
  { after = "", signal }: { readonly after?: string; readonly signal?: AbortSignal } = {},
): AsyncGenerator<TaskNews["news"]> {
  const stream = client.watch({ tasks: [{ taskId, after }] }, signal === undefined ? {} : { signal });
  for await (const { news } of stream) if (news !== undefined) yield news.news;
}

/** The entries of one task after a cursor, to its end. */
export async function entriesOf(client: TaskIOClient, taskId: string, after = ""): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const news of newsOf(client, taskId, { after })) {
    if (news.case === "entry") entries.push(news.value);
  }
  return entries;
}

/** The text of an output; what else it is for other entries. */
export function textOf({ body }: Entry): string {
  if (body.case === "output") return new TextDecoder().decode(body.value.data);
  return body.case === "lost" ? `lost from ${body.value.firstSeq}` : String(body.case);
}

/** `2-17 text` of each entry. */
export function linesOf(entries: readonly Entry[]): string[] {
  return entries.map((entry) => `${entry.attempt}-${entry.seq} ${textOf(entry)}`);
}

/** The same object with some methods replaced. */
export function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      const replaced: unknown = Reflect.get(methods, name);
      if (replaced !== undefined) return replaced;
      const member: unknown = Reflect.get(object, name, object);
      return typeof member === "function" ? member.bind(object) : member;
    },
  });
}
