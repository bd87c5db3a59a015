/*
 * Lets out what a commit changed.
 *
 *   N1. Called only with what is committed, in the order of decisions.
 *   N2. Losing anything here delays and loses nothing: work is published again by
 *       the sweep, orders are repeated by the answer to the next heartbeat, and
 *       watched tasks are looked at every second.
 */
import { create } from "@bufbuild/protobuf";
import { ControlBatchSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { Broker, Publication } from "../../lib/broker/broker.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import type { Logger } from "../../lib/log/log.ts";
import { controlStreamOf, encodeControls } from "../../lib/streams/control-stream.ts";
import { encodeWake, wakeStreamOf } from "../../lib/streams/wake-stream.ts";
import type { Committed } from "./commit-batch.ts";
import type { Order } from "./control.ts";
import { isUntaken, type Run, type Task, taskOf } from "./core/run.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { LeaseWatch } from "./lease-watch.ts";
import type { RunFeeds } from "./run-feeds.ts";

export interface AnnouncerOptions {
  readonly broker: Pick<Broker, "publish">;
  readonly dispatcher: Pick<Dispatcher, "add" | "settle" | "drop">;
  readonly leases: LeaseWatch;
  readonly feeds: RunFeeds;
  readonly log: Logger;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  #waiting: Publication[] = [];
  #sending: Promise<void> | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  announce(committed: readonly Committed[]): void {
    const { dispatcher, feeds } = this.#options;
    const woken = new Set<string>();
    for (const { run, events, ready, changed, news } of committed) {
      if (run === undefined) continue;
      for (const event of events) this.#watchLease(run, event);
      for (const task of changed) {
        if (!isUntaken(task)) dispatcher.settle(task);
        if (hasTranscript(run, task)) woken.add(taskIdOf(run.runId, task.name));
      }
      // What was not taken yet is handed out again when the run goes on.
      if (events.some(({ type }) => type === "pause_requested")) dispatcher.drop(new Set([run]));
      for (const { task, config } of ready) dispatcher.add(run, task, config);
      if (events.length > 0) feeds.publish(run.runId, news);
    }
    this.order(committed.flatMap(({ orders }) => orders));
    this.#send([...woken].map((taskId) => ({ stream: wakeStreamOf(taskId), body: encodeWake(taskId) })));
  }

  /** Sends orders to workers. */
  order(orders: readonly Order[]): void {
    const byWorker = Map.groupBy(orders, ({ workerId }) => workerId);
    this.#send(
      [...byWorker].map(([workerId, own]) => ({
        stream: controlStreamOf(workerId),
        body: encodeControls(create(ControlBatchSchema, { controls: own.map(({ control }) => control) })),
      })),
    );
  }

  /** Resolves when everything announced so far has been sent, or could not be. */
  async idle(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  #watchLease(run: Run, event: Committed["events"][number]): void {
    if (!("nodeId" in event)) return;
    const task = taskOf(run, event.nodeId);
    if (task === undefined) return;
    if (event.type === "task_leased") {
      this.#options.leases.watch({ run, task, ...event.lease });
    } else if (event.type === "task_ended" || event.type === "lease_lapsed" || event.type === "timer_fired") {
      this.#options.leases.forget(task);
    } else {
      this.#options.leases.heard(task);
    }
  }

  #send(publications: readonly Publication[]): void {
    if (publications.length === 0) return;
    this.#waiting.push(...publications);
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    // What other commits announce in this turn goes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const publications = this.#waiting;
      this.#waiting = [];
      try {
        await this.#options.broker.publish(publications);
      } catch (error) {
        this.#options.log.warn({ err: error, count: publications.length }, "announcement not published");
      }
    }
    this.#sending = undefined;
  }
}

/** Whether taskio may have something to show of a task: programs write and ask, and whoever submits a single task watches it. */
function hasTranscript(run: Run, task: Task): boolean {
  const node = run.plan.nodes[task.node];
  return run.workflowId === undefined || node?.handler === "program" || node?.engine === "approval";
}
