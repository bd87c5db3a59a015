/*
 * Hands ready tasks to the broker, in fair order and not too many at once.
 *
 *   D1. Only tasks whose readiness is committed are added.
 *   D2. Of each stream at most `window` entries are out that nobody has reported
 *       on; the rest waits here, a queue per client, served in turn.
 *   D3. Publishing again is harmless: the lease goes to one worker. It is done
 *       when an entry was neither in its stream nor heard of for a lease; and,
 *       after one round of heartbeats has told who holds what, when nobody knows
 *       whether it was published, when the broker lost its contents, and after a
 *       take-over.
 *   D4. A task leaves when it is leased, has ended, or its partition is lost.
 */
import { create } from "@bufbuild/protobuf";
import { AssignmentSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { Broker, EntryId } from "../../lib/broker/broker.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import type { Logger } from "../../lib/log/log.ts";
import { encodeAssignment, workStreamOf } from "../../lib/streams/work-stream.ts";
import { type JsonObject, jsonBytes } from "./core/json.ts";
import { isUntaken, type Run, type Task } from "./core/run.ts";
import { isFinalTask } from "./core/task-state.ts";
import { FairQueue, type Ready } from "./fair-queue.ts";
import type { ListeningClock } from "./lease-watch.ts";

/** A task that is in its stream, or was taken and not reported on. */
interface Published extends Ready {
  /** Undefined until the broker answered, or when it did not. */
  entryId: EntryId | undefined;
  /** On the listening clock: when it was published, last found in its stream, or last named by a heartbeat. */
  heardAt: number;
  /** The broker did not say whether it took the entry. */
  isUnsure: boolean;
}

/** A larger config does not go through the broker; the worker fetches it. */
const maxConfigBytes = 64 * 1024;

/** How often within a lease it is looked whether an entry still waits: so much later at most it is missed. */
const looksPerLease = 4;

export interface DispatcherOptions {
  readonly broker: Pick<Broker, "publish" | "has" | "remove">;
  readonly clock: Pick<ListeningClock, "now">;
  readonly log: Logger;
  /** The stream of tasks that any of our workers can carry out. */
  readonly stream: string;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #queues = new Map<string, FairQueue>();
  readonly #published = new Map<Task, Published>();
  readonly #outByStream = new Map<string, number>();
  /** Entries of tasks that ended untaken, by stream, to be removed in one call. */
  readonly #unwanted = new Map<string, EntryId[]>();
  #window = 128;
  #flushing = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** How many entries of one stream may be out; follows the slots of the workers. */
  set window(entries: number) {
    this.#window = entries;
  }

  /** Adds a task whose readiness is committed. */
  add(run: Run, task: Task, config: JsonObject): void {
    const ready = this.#readyOf(run, task, config);
    // Its former attempt began and ended within one commit.
    if ((this.#published.get(task)?.attempt ?? ready.attempt) < ready.attempt) this.settle(task);
    const queue = this.#queues.get(ready.stream) ?? new FairQueue();
    this.#queues.set(ready.stream, queue);
    queue.push(ready);
    this.#flushSoon();
  }

  /** Adds a task that was ready before a take-over: it may be in its stream or with a worker, so it is counted as published until `republish`. */
  assume(run: Run, task: Task, config: JsonObject): void {
    const ready = this.#readyOf(run, task, config);
    const place = { entryId: undefined, heardAt: this.#options.clock.now, isUnsure: false };
    this.#published.set(task, { ...ready, ...place });
    this.#count(ready.stream, 1);
  }

  /** Forgets all tasks of these records: they are folded anew, here or elsewhere. */
  drop(runs: ReadonlySet<Run>): void {
    const isLost = ({ run }: Ready) => runs.has(run);
    for (const published of [...this.#published.values()].filter(isLost)) this.settle(published.task);
    for (const queue of this.#queues.values()) queue.remove(isLost);
  }

  /** Removes a task that is leased or has ended. */
  settle(task: Task): void {
    const published = this.#published.get(task);
    if (published === undefined) return;
    this.#published.delete(task);
    this.#count(published.stream, -1);
    const { stream, entryId } = published;
    // Where no worker serves the stream it would stay for ever.
    if (isFinalTask(task.state) && task.lease === undefined && entryId !== undefined) {
      this.#removeSoon(stream, entryId);
    }
    if ((this.#queues.get(published.stream)?.size ?? 0) > 0) this.#flushSoon();
  }

  #removeSoon(stream: string, entryId: EntryId): void {
    if (this.#unwanted.size === 0) {
      setImmediate(() => {
        const unwanted = [...this.#unwanted];
        this.#unwanted.clear();
        for (const [from, ids] of unwanted) {
          this.#options.broker.remove(from, ids).catch((error: unknown) => {
            this.#options.log.debug({ err: error, stream: from }, "unwanted work not removed");
          });
        }
      });
    }
    const ids = this.#unwanted.get(stream) ?? [];
    ids.push(entryId);
    this.#unwanted.set(stream, ids);
  }

  /** Notes that a worker holds a task that it has not reported on. */
  heard(task: Task): void {
    const published = this.#published.get(task);
    if (published !== undefined) published.heardAt = this.#options.clock.now;
  }

  /** Publishes again what has been gone from its stream for `leaseMs`, unheard of, and after `roundMs` what may never have come into it. */
  async sweep({ leaseMs, roundMs }: { readonly leaseMs: number; readonly roundMs: number }): Promise<void> {
    const { clock, broker } = this.#options;
    const now = clock.now;
    const isOverdue = (published: Published) =>
      published.heardAt <= now - (published.isUnsure ? roundMs : leaseMs);
    const silent = [...this.#published.values()].filter(
      (published) => published.heardAt <= now - leaseMs / looksPerLease || isOverdue(published),
    );
    for (const [stream, own] of Map.groupBy(silent, (published) => published.stream)) {
      const ids = own.flatMap(({ entryId }) => entryId ?? []);
      const waiting = await broker.has(stream, ids);
      for (const published of own) {
        if (published.entryId !== undefined && waiting.has(published.entryId)) published.heardAt = now;
      }
      this.#again(own.filter(isOverdue));
    }
  }

  /** Publishes everything again that no heartbeat named since `since`, on the listening clock: the broker lost its contents. */
  republish(since: number): void {
    this.#again([...this.#published.values()].filter((published) => published.heardAt <= since));
  }

  #again(entries: readonly Published[]): void {
    // Others were leased, or published anew, while the broker was asked.
    const current = entries.filter((published) => this.#published.get(published.task) === published);
    if (current.length > 0) this.#options.log.warn({ count: current.length }, "work published again");
    for (const { run, task, config } of current) {
      this.settle(task);
      if (isUntaken(task)) this.add(run, task, config);
    }
  }

  #readyOf(run: Run, task: Task, config: JsonObject): Ready {
    const node = run.plan.nodes[task.node];
    const stream = workStreamOf(node?.handler ?? "", { stream: this.#options.stream, ...node });
    const priority = run.priority + (node?.priority ?? 0);
    return { run, task, attempt: task.attempt, config, stream, priority };
  }

  #count(stream: string, change: number): void {
    const out = (this.#outByStream.get(stream) ?? 0) + change;
    // Users name queues: what is kept of one ends with its tasks.
    if (out === 0) this.#outByStream.delete(stream);
    else this.#outByStream.set(stream, out);
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    // What one commit made ready goes out in one call.
    setImmediate(() => {
      this.#flushing = false;
      this.#flush().catch((error: unknown) => this.#options.log.warn({ err: error }, "work not published"));
    });
  }

  async #flush(): Promise<void> {
    const next: Published[] = [];
    for (const [stream, queue] of this.#queues) {
      while (queue.size > 0 && (this.#outByStream.get(stream) ?? 0) < this.#window) {
        const ready = queue.shift();
        if (ready === undefined) break;
        if (!isCurrent(ready) || this.#published.has(ready.task)) continue;
        const place = { entryId: undefined, heardAt: this.#options.clock.now, isUnsure: false };
        const published: Published = { ...ready, ...place };
        this.#published.set(ready.task, published);
        this.#count(stream, 1);
        next.push(published);
      }
      if (queue.size === 0) this.#queues.delete(stream);
    }
    if (next.length === 0) return;
    try {
      const ids = await this.#options.broker.publish(
        next.map((ready) => ({ stream: ready.stream, body: assignmentOf(ready) })),
      );
      next.forEach((published, index) => {
        published.entryId = ids[index];
      });
    } catch (error) {
      for (const published of next) published.isUnsure = true;
      throw error;
    }
  }
}

/** Whether nothing has happened to the task since it became ready. */
function isCurrent({ task, attempt }: Ready): boolean {
  return isUntaken(task) && task.attempt === attempt;
}

function assignmentOf({ run, task, attempt, config }: Ready): Uint8Array {
  const node = run.plan.nodes[task.node];
  const nodeId = task.name;
  const handler = node?.handler ?? "";
  const bytes = jsonBytes(handler === "program" ? withoutFiles(config) : config);
  return encodeAssignment(
    create(AssignmentSchema, {
      taskId: taskIdOf(run.runId, nodeId),
      runId: run.runId,
      partition: partitionOf(run.runId),
      nodeId,
      attempt,
      handler,
      ...(bytes.length > maxConfigBytes ? { fetchConfig: true } : { config: bytes }),
    }),
  );
}

/** A program's file and input are fetched by the worker that holds the lease. */
function withoutFiles(config: JsonObject): JsonObject {
  const { source: _source, input: _input, ...rest } = config;
  return rest;
}
