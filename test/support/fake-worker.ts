/*
 * A worker that a test leads by the hand: it takes work, and reports what it is
 * told, by the real streams and RPCs. It repeats nothing by itself.
 */
import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { type Assignment, type Control, ReportSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { type HeartbeatResponse, WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import type { Broker, EntryId } from "../../lib/broker/broker.ts";
import { controlStreamOf, decodeControls } from "../../lib/streams/control-stream.ts";
import { encodeReport, reportStreamOf } from "../../lib/streams/report-stream.ts";
import {
  decodeAssignment,
  defaultWorkGroup,
  type WorkDemands,
  workStreamOf,
} from "../../lib/streams/work-stream.ts";
import { until } from "./until.ts";

/** An attempt that the fake took. */
export interface Taken {
  readonly assignment: Assignment;
  readonly leaseToken: string;
  /** Reports made so far. */
  reported: number;
  confirmed: number;
}

type Fact = NonNullable<MessageInitShape<typeof ReportSchema>["fact"]>;

export class FakeWorker {
  readonly workerId: string;
  readonly incarnation = randomUUID();
  readonly taken = new Map<string, Taken>();
  readonly client: Client<typeof WorkerService>;
  readonly #broker: Broker;
  #registered = false;
  #controlsRead: EntryId = "0-0";

  constructor({
    broker,
    transport,
    workerId = `fake-${randomUUID()}`,
  }: { broker: Broker; transport: Transport; workerId?: string }) {
    this.workerId = workerId;
    this.#broker = broker;
    this.client = createClient(WorkerService, transport);
  }

  /** Takes what is there, of one handler's stream. */
  async take(
    handler = "noop",
    { count = 100, waitMs = 0, ...demands }: { count?: number; waitMs?: number } & WorkDemands = {},
  ): Promise<Taken[]> {
    const streams = [workStreamOf(handler, demands)];
    const entries = await this.#broker.take(
      { streams, group: defaultWorkGroup, consumer: this.workerId, count, waitMs },
      new AbortController().signal,
    );
    return entries.map(({ body }) => {
      const assignment = decodeAssignment(body);
      const taken = { assignment, leaseToken: randomUUID(), reported: 0, confirmed: 0 };
      this.taken.set(`${assignment.taskId}#${assignment.attempt}`, taken);
      return taken;
    });
  }

  /** Takes the next attempt of a task, waiting for it. Others that come are kept in `taken`. */
  async takeTask(taskId: string, attempt: number, handler = "noop", withinMs = 10_000): Promise<Taken> {
    return await until(
      `attempt ${attempt} of ${taskId} is published`,
      async () => {
        await this.take(handler);
        return this.taken.get(`${taskId}#${attempt}`);
      },
      withinMs,
    );
  }

  /** Makes the next report about an attempt, or the one with a given number. */
  async report(taken: Taken, fact: Fact, number = taken.reported + 1): Promise<void> {
    taken.reported = Math.max(taken.reported, number);
    const { assignment, leaseToken } = taken;
    const { taskId, runId, attempt, partition } = assignment;
    const { workerId, incarnation } = this;
    const report = create(ReportSchema, {
      workerId,
      incarnation,
      taskId,
      runId,
      attempt,
      leaseToken,
      number,
      fact,
    });
    await this.#broker.publish([{ stream: reportStreamOf(partition), body: encodeReport(report) }]);
  }

  /** Reports that an attempt completed. */
  async complete(taken: Taken, output: unknown = {}, number?: number): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(output));
    await this.report(taken, { case: "ended", value: { outcome: { case: "output", value: bytes } } }, number);
  }

  /** Orders that arrived in the worker's stream since the last call. */
  async controls(): Promise<Control[]> {
    const entries = await this.#broker.range(controlStreamOf(this.workerId), {
      after: this.#controlsRead,
      count: 1_000,
    });
    this.#controlsRead = entries.at(-1)?.id ?? this.#controlsRead;
    return entries.flatMap(({ body }) => decodeControls(body).controls);
  }

  /** Sends a heartbeat that names these attempts. */
  async heartbeat(
    attempts: readonly Taken[] = [...this.taken.values()],
    more: object = {},
  ): Promise<HeartbeatResponse> {
    const response = await this.client.heartbeat({
      workerId: this.workerId,
      incarnation: this.incarnation,
      registering: !this.#registered,
      handlers: ["noop", "program"],
      slots: 100,
      programSlots: 4,
      attempts: attempts.map(({ assignment, leaseToken, reported, confirmed }) => ({
        taskId: assignment.taskId,
        runId: assignment.runId,
        attempt: assignment.attempt,
        leaseToken,
        reported,
        confirmed,
        ...more,
      })),
    });
    this.#registered = true;
    return response;
  }
}
