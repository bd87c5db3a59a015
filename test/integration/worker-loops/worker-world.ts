import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { promisify } from "node:util";
import { type Entry, Output_Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { type Broker, BrokerUnavailable } from "../../../lib/broker/broker.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { RedisBroker } from "../../../lib/broker/redis-broker.ts";
import { logger } from "../../../lib/log/log.ts";
import { decodeEntry, transcriptStreamOf } from "../../../lib/streams/transcript-stream.ts";
import { type Isolation, openIsolation } from "../../../services/worker/isolation.ts";
import { type RunningWorker, type WorkerSettings, worker } from "../../../services/worker/worker.ts";
import { FakeOwner, type OwnedAttempt } from "../../support/fake-owner.ts";
import { startRedis } from "../../support/start-redis.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";

/** A real isolation for all tests of a file, in a folder of its own. */
export async function isolationForTests(): Promise<{ readonly isolation: Isolation } & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder("loops"));
  await chmod(folder.path, 0o755);
  const isolation = await openIsolation({
    backend: "bubblewrap",
    allowUnsafeProcess: false,
    directory: folder.path,
    slots: 4,
    // Apart from those of any other suite that runs beside this one.
    firstUid: 41_000 + (process.pid % 500) * 4,
    pythonPath: undefined,
    environmentBytes: 1e9,
  });
  if (isolation.kind === "unusable") throw new Error(isolation.reason);
  stack.use(isolation);
  return { isolation, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** One worker with its owner, its archive and its broker. */
export class WorkerWorld implements AsyncDisposable {
  readonly broker: Broker;
  readonly owner: FakeOwner;
  readonly archive: FakeArchive;
  readonly #isolation: Isolation;
  readonly #flush: () => Promise<void>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    { broker, flush }: { broker: Broker; flush: () => Promise<void> },
    isolation: Isolation,
    stack: AsyncDisposableStack,
  ) {
    this.broker = broker;
    this.#flush = flush;
    this.#isolation = isolation;
    this.#stack = stack;
    this.owner = stack.use(new FakeOwner(broker));
    this.archive = stack.use(new FakeArchive(broker, this.owner));
  }

  static async open(kind: "redis" | "memory", isolation: Isolation): Promise<WorkerWorld> {
    const stack = new AsyncDisposableStack();
    return new WorkerWorld(await brokerOf(kind, stack), isolation, stack);
  }

  /** Starts a worker, which ends with this world. */
  async startWorker(settings: Partial<WorkerSettings> = {}): Promise<RunningWorker> {
    return this.#stack.use(
      await worker({
        broker: this.broker,
        scheduler: this.owner.transport,
        isolation: this.#isolation,
        calls: {
          allowedHosts: [{ kind: "network", address: "127.0.0.0", prefix: 8, port: undefined }],
          llm: undefined,
        },
        standIns: true,
        log: logger("worker", "silent"),
        settings: {
          workerId: "worker-under-test",
          stream: "workflow:tasks",
          queues: [""],
          labels: {},
          group: "workflow_group",
          slots: 16,
          callSlots: 2,
          programSlots: 2,
          drainMs: 200,
          ...settings,
        },
      }),
    );
  }

  /** Loses everything that the broker holds. */
  async loseBroker(): Promise<void> {
    await this.#flush();
  }

  /** The first open prompt of an attempt, once it stands in the transcript. */
  async prompt(attempt: OwnedAttempt, index = 0): Promise<string> {
    return await until(`prompt ${index} of ${attempt.taskId}`, async () => {
      await this.archive.look(attempt);
      const asked = this.archive
        .entries(attempt)
        .flatMap(({ body }) => (body.case === "prompt" ? body.value.promptId : []));
      return asked[index];
    });
  }

  async ended(attempt: OwnedAttempt): Promise<NonNullable<OwnedAttempt["ended"]>> {
    return await until(`the end of ${attempt.taskId}`, () => attempt.ended, 20_000);
  }

  /** The transcript of an ended attempt, once all of it is archived. */
  async whole(attempt: OwnedAttempt): Promise<readonly Entry[]> {
    const { lastSeq } = await this.ended(attempt);
    return await until(`entries 1 to ${lastSeq} of ${attempt.taskId}`, () => {
      const entries = this.archive.entries(attempt);
      return entries.length === lastSeq && entries;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Archives what follows, and trims it, like taskio; a hole is waited for. */
export class FakeArchive implements AsyncDisposable {
  /** Nothing is archived while this is set. */
  isAway = false;
  readonly #broker: Broker;
  readonly #owner: FakeOwner;
  readonly #archived = new Map<OwnedAttempt, Entry[]>();
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;

  constructor(broker: Broker, owner: FakeOwner) {
    this.#broker = broker;
    this.#owner = owner;
    this.#running = this.#run(this.#ending.signal);
  }

  /** What is archived of an attempt, in order and without a hole. */
  entries(attempt: OwnedAttempt): readonly Entry[] {
    return this.#archived.get(attempt) ?? [];
  }

  async look(attempt: OwnedAttempt): Promise<void> {
    if (this.isAway) return;
    const archived = this.#archived.get(attempt) ?? [];
    this.#archived.set(attempt, archived);
    const stream = transcriptStreamOf(attempt.taskId);
    const found = await this.#broker.range(stream, { after: `${attempt.attempt}-0`, count: 1_000 });
    for (const { body } of found) {
      const entry = decodeEntry(body);
      if (entry.attempt === attempt.attempt && entry.seq === archived.length + 1) archived.push(entry);
    }
    if (found.length > 0) await this.#broker.trim(stream, `${attempt.attempt}-${archived.length + 1}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for (const attempt of this.#owner.attempts.values()) await this.look(attempt);
      } catch (error) {
        if (!(error instanceof BrokerUnavailable)) throw error;
      }
      await delay(50, signal);
    }
  }
}

/** What a task wrote to one stream. */
export function outputOf(entries: readonly Entry[], stream: Output_Stream = Output_Stream.STDOUT): string {
  const chunks = entries.flatMap(({ body }) =>
    body.case === "output" && body.value.stream === stream ? body.value.data : [],
  );
  return Buffer.concat(chunks).toString("utf8");
}

/** The kinds of entries in their order; what is written in several chunks counts once. */
export function kindsOf(entries: readonly Entry[]): (string | undefined)[] {
  const kinds = entries.map(({ body }) => body.case);
  return kinds.filter((kind, index) => kind !== "output" || kinds[index - 1] !== "output");
}

/** Whether a process with a text in its command line lives. */
export function isRunning(text: string): boolean {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    });
}

async function brokerOf(
  kind: "redis" | "memory",
  stack: AsyncDisposableStack,
): Promise<{ broker: Broker; flush: () => Promise<void> }> {
  if (kind === "memory") {
    const broker = stack.use(new MemoryBroker());
    return {
      broker,
      flush: async () => {
        for await (const stream of broker.streams("")) await broker.drop([stream]);
      },
    };
  }
  const redis = stack.use(await startRedis());
  const broker = stack.use(await RedisBroker.open({ url: redis.url }));
  return {
    broker,
    flush: async () => {
      await promisify(execFile)("redis-cli", ["-s", redis.url, "FLUSHALL"]);
    },
  };
}
