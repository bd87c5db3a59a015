/*
 * The bare pipe: what Redis, Postgres and Node do on this machine without any
 * product. A worker process takes a message from one stream and puts one into
 * another; this process reads those, stores one row each by one `unnest` insert
 * per batch, fsync on, and then publishes what they made ready.
 *
 * It knows the shape of its run and counts; nobody else reads its messages, it
 * checks no claim, keeps no state and recovers from nothing.
 */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import postgres from "postgres";
import { MeasuredProcess } from "./child-process.ts";
import type { Props } from "./stage.ts";

/** Which nodes an ended node makes ready, given how many of its run have ended. */
export type Shape = (node: string, ended: number) => readonly string[];

/** A → {B, C} → D. */
export const fanShape: Shape = (node, ended) => {
  if (node === "A") return ["B", "C"];
  return ended === 3 ? ["D"] : [];
};

/** A row is about as wide as one of ours. */
const payload = JSON.stringify({ outcome: "completed", token: randomUUID(), padding: "x".repeat(150) });

/** A message is about as long as one of ours. */
const rest = "x".repeat(110);

const readCount = 1_000;

/** A pipe at work. */
export class BarePipe implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #database: postgres.Sql;
  readonly #reading: Redis;
  readonly #writing: Redis;
  #readUpTo = "0-0";

  private constructor(stack: AsyncDisposableStack, database: postgres.Sql, reading: Redis, writing: Redis) {
    this.#stack = stack;
    this.#database = database;
    this.#reading = reading;
    this.#writing = writing;
  }

  static async open({ databaseUrl, redisUrl }: Props): Promise<BarePipe> {
    const stack = new AsyncDisposableStack();
    const url = new URL(databaseUrl.replace("@/", "@localhost/"));
    const sql = postgres({
      host: url.searchParams.get("host") ?? "",
      database: url.pathname.slice(1),
      username: "postgres",
      max: 1,
      onnotice: () => undefined,
    });
    stack.defer(async () => await sql.end());
    await sql`
      create table pipe_event (
        run_id uuid not null, seq int not null, node text not null, at timestamptz not null, payload text not null,
        primary key (run_id, seq)
      )
    `;
    const reading = new Redis(redisUrl);
    stack.defer(() => reading.disconnect());
    const writing = new Redis(redisUrl);
    stack.defer(() => writing.disconnect());
    await writing.xgroup("CREATE", "pipe:work", "pipe", "0", "MKSTREAM");
    stack.use(new MeasuredProcess("bench/bare-pipe-worker.ts", { variables: { REDIS_URL: redisUrl } }));
    return new BarePipe(stack, sql, reading, writing);
  }

  /** Drives `runs` runs of `nodes` nodes, at most `inFlight` at a time, to their ends and answers how long it took, in milliseconds. */
  async drive(
    shape: Shape,
    { first, nodes, runs, inFlight }: { first: string; nodes: number; runs: number; inFlight: number },
  ): Promise<number> {
    const endedOf = new Map<string, number>();
    let started = 0;
    let finished = 0;
    const begin = (): string[] => {
      const messages: string[] = [];
      while (started < runs && started - finished < inFlight) {
        const runId = randomUUID();
        endedOf.set(runId, 0);
        messages.push(`${runId} ${first} ${rest}`);
        started += 1;
      }
      return messages;
    };
    const begunAt = performance.now();
    await this.#publish(begin());
    while (finished < runs) {
      const ready: string[] = [];
      const rows: { readonly runId: string; readonly seq: number; readonly node: string }[] = [];
      for (const message of await this.#read()) {
        const [runId = "", node = ""] = message.split(" ");
        const seq = (endedOf.get(runId) ?? 0) + 1;
        endedOf.set(runId, seq);
        rows.push({ runId, seq, node });
        for (const next of shape(node, seq)) ready.push(`${runId} ${next} ${rest}`);
        if (seq === nodes && endedOf.delete(runId)) finished += 1;
      }
      await this.#store(rows);
      await this.#publish([...ready, ...begin()]);
    }
    return performance.now() - begunAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #read(): Promise<string[]> {
    const reply = await this.#reading.xread(
      "COUNT",
      readCount,
      "BLOCK",
      10_000,
      "STREAMS",
      "pipe:done",
      this.#readUpTo,
    );
    const entries = reply?.[0]?.[1] ?? [];
    const last = entries.at(-1)?.[0];
    if (last === undefined) throw new Error("the worker of the bare pipe is silent");
    this.#readUpTo = last;
    return entries.map(([, [, body = ""]]) => body);
  }

  async #store(rows: readonly { runId: string; seq: number; node: string }[]): Promise<void> {
    const at = new Date().toISOString();
    const sql = this.#database;
    await sql`
      insert into pipe_event (run_id, seq, node, at, payload)
      select * from unnest(
        ${rows.map(({ runId }) => runId)}::uuid[],
        ${rows.map(({ seq }) => seq)}::int[],
        ${rows.map(({ node }) => node)}::text[],
        ${rows.map(() => at)}::timestamptz[],
        ${rows.map(() => payload)}::text[]
      )
    `;
  }

  async #publish(messages: readonly string[]): Promise<void> {
    const pipeline = this.#writing.pipeline();
    for (const message of messages) pipeline.xadd("pipe:work", "*", "b", message);
    pipeline.xtrim("pipe:done", "MINID", this.#readUpTo);
    await pipeline.exec();
  }
}
