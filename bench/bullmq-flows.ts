import { once } from "node:events";
import { type FlowJob, FlowProducer } from "bullmq";
import { MeasuredProcess } from "./child-process.ts";
import type { Props } from "./stage.ts";

const queueName = "nodes";

/** So many flows are added by one call, at most. */
const bulk = 250;

/**
 * The fan as a BullMQ flow. Flows are trees, and A can not be a child of two
 * jobs: C does not wait for A, which is in BullMQ's favour.
 */
const fan: FlowJob = {
  name: "last",
  queueName,
  children: [
    { name: "B", queueName, children: [{ name: "A", queueName }] },
    { name: "C", queueName },
  ],
};

/** BullMQ with one worker process; it tells this one how many flows have ended. */
export class BullmqFlows implements AsyncDisposable {
  readonly #producer: FlowProducer;
  readonly #worker: MeasuredProcess;
  #finished = 0;
  #news = Promise.withResolvers<void>();

  private constructor(producer: FlowProducer, worker: MeasuredProcess) {
    this.#producer = producer;
    this.#worker = worker;
    worker.child.on("message", (count: number) => {
      this.#finished += count;
      this.#news.resolve();
    });
  }

  static async open({ redisUrl }: Props): Promise<BullmqFlows> {
    const worker = new MeasuredProcess("bench/bullmq-worker.ts", {
      variables: { REDIS_URL: redisUrl, QUEUE: queueName },
    });
    await once(worker.child, "message");
    return new BullmqFlows(new FlowProducer({ connection: { path: redisUrl } }), worker);
  }

  /** Drives `runs` fans, at most `inFlight` at a time, to their ends and answers how long it took, in milliseconds. */
  async fans({ runs, inFlight }: { runs: number; inFlight: number }): Promise<number> {
    return await this.#drive(fan, { runs, inFlight });
  }

  /** Drives a chain of `length` jobs to its end, and answers how long it took, in milliseconds. */
  async chain(length: number): Promise<number> {
    let flow: FlowJob = { name: length === 1 ? "last" : "node", queueName };
    for (let depth = 2; depth <= length; depth += 1) {
      flow = { name: depth === length ? "last" : "node", queueName, children: [flow] };
    }
    return await this.#drive(flow, { runs: 1, inFlight: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.close();
    await this.#worker[Symbol.asyncDispose]();
  }

  async #drive(flow: FlowJob, { runs, inFlight }: { runs: number; inFlight: number }): Promise<number> {
    this.#finished = 0;
    let started = 0;
    const begunAt = performance.now();
    while (this.#finished < runs) {
      this.#worker.check();
      const free = Math.min(runs - started, inFlight - (started - this.#finished), bulk);
      if (free > 0) {
        started += free;
        await this.#producer.addBulk(Array.from({ length: free }, () => flow));
        continue;
      }
      await this.#news.promise;
      this.#news = Promise.withResolvers();
    }
    return performance.now() - begunAt;
  }
}
