/*
 * Starts runs while things die, and finds what does not hold of them in the end.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import type { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { historyStore } from "../../services/scheduler/history-store.ts";
import { RunLoader } from "../../services/scheduler/run-loader.ts";
import { runStateMessage, taskStateMessage } from "../../services/scheduler/state-message.ts";
import { workflowStore } from "../../services/scheduler/workflow-store.ts";
import type { Dice } from "../support/dice.ts";
import { until } from "../support/until.ts";
import type { Cluster } from "./cluster.ts";
import { nodesOf, type Shape, type ShapeName, shapes } from "./shapes.ts";

/** How long everything may take to settle on a slow machine. */
const settleMs = 120_000;

/** How many starts are under way at once. */
const startsAtOnce = 16;

/** A call that is not answered by then is repeated elsewhere. */
const callTimeoutMs = 3_000;

/** What a mixed load is made of. */
const mixed: readonly ShapeName[] = [
  "chain",
  "fan",
  "fan",
  "leased",
  "failing",
  "retried",
  "sleeping",
  "mapped",
  "nested",
];

export class Load {
  readonly #cluster: Cluster;
  readonly #dice: Dice;
  readonly #runs = new Map<string, ShapeName>();
  readonly #workflows = new Map<ShapeName, string>();

  constructor(cluster: Cluster, dice: Dice) {
    this.#cluster = cluster;
    this.#dice = dice;
  }

  /** Stores the workflow of each shape. */
  async prepare(): Promise<void> {
    for (const name of Object.keys(shapes) as ShapeName[]) {
      const nodes = nodesOf(shapes[name]);
      const { workflow } = await this.#repeated((scheduler, requestId) =>
        scheduler.createWorkflow({ name, dag: { nodes }, requestId }, { timeoutMs: callTimeoutMs }),
      );
      this.#workflows.set(name, workflow?.workflowId ?? "");
    }
  }

  /** Starts runs, mixed or of one shape, and resolves when each start was answered. */
  async start(count: number, shape?: ShapeName): Promise<string[]> {
    const wanted = Array.from({ length: count }, () => shape ?? this.#dice.pick(mixed));
    const started: string[] = [];
    const startSome = async (): Promise<void> => {
      for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
        const workflowId = this.#workflows.get(name) ?? "";
        const { run } = await this.#repeated((scheduler, requestId) =>
          scheduler.startRun({ workflowId, requestId }, { timeoutMs: callTimeoutMs }),
        );
        const runId = run?.runId ?? "";
        this.#runs.set(runId, name);
        started.push(runId);
      }
    };
    await Promise.all(Array.from({ length: startsAtOnce }, startSome));
    return started;
  }

  /** Resolves when every run that was started has ended. */
  async ended(): Promise<void> {
    const { db } = this.#cluster;
    let left: string[] | undefined;
    await until(
      "every run has ended",
      async () => {
        const rows = await db
          .query<{ run_id: string }>(sql`
            select run_id from scheduler.run
            where run_id = any (${[...this.#runs.keys()]}::uuid[]) and ended_at is null
          `)
          .catch(() => undefined);
        left = rows?.map(({ run_id: runId }) => runId);
        return left?.length === 0;
      },
      settleMs,
    ).catch(async (error: unknown) => {
      const stories = await Promise.all(
        (left ?? []).slice(0, 3).map(async (runId) => await this.#storyOf(runId)),
      );
      throw new Error([String(error), ...stories, ...this.#cluster.brokenDown()].join("\n"));
    });
  }

  /** The history of a run, a line each fact. */
  async #storyOf(runId: string): Promise<string> {
    const facts = await this.#cluster.db.query<{ line: string }>(sql`
      select concat_ws(' ', seq, at, type, node_id, attempt, left(convert_from(payload, 'UTF8'), 200)) as line
      from scheduler.run_event
      where run_id = ${runId}::uuid
      order by seq
    `);
    return [`${runId} (${this.#runs.get(runId)}):`, ...facts.map(({ line }) => line)].join("\n");
  }

  /**
   * What is not as it should be: a run that did not end as its shape says; a history that has a hole, ends a node
   * or attempt twice, or adds up to something else than is answered; a process that ended by itself.
   */
  async flaws(): Promise<string[]> {
    const { db, schedulers, brokenDown } = this.#cluster;
    const runIds = [...this.#runs.keys()];
    const inHistory = await db.query<{ run_id: string; what: string }>(sql`
      select run_id, 'has a hole' as what
      from scheduler.run_event where run_id = any (${runIds}::uuid[])
      group by run_id having count(*) <> max(seq)
      union all
      select run_id, 'ended attempt ' || attempt || ' of ' || node_id || ' ' || count(*) || ' times'
      from scheduler.run_event where run_id = any (${runIds}::uuid[]) and type = 'task_ended'
      group by run_id, node_id, attempt having count(*) > 1
      union all
      select run_id, 'completed ' || node_id || ' ' || count(*) || ' times'
      from scheduler.run_event where run_id = any (${runIds}::uuid[]) and type = 'task_ended'
        and convert_from(payload, 'UTF8')::jsonb -> 'outcome' ->> 'kind' = 'completed'
      group by run_id, node_id having count(*) > 1
    `);
    const flaws = inHistory.map(({ run_id: runId, what }) => `${runId} ${what}`);
    const folded = await new RunLoader(historyStore(db), workflowStore(db)).load(runIds);
    for (const [index, [runId, name]] of [...this.#runs].entries()) {
      const { run } = (await schedulers[index % schedulers.length]?.getRun({ runId })) ?? {};
      const shape: Shape = shapes[name];
      const stateOf = (id: string) => shape.otherwise?.[id] ?? TaskState.COMPLETED;
      const expected = [shape.state, ...shape.nodes.map(({ id }) => `${id} ${stateOf(id)}`)].join(", ");
      // A node that is carried out for each item of a list has a task for each.
      const states = new Set(run?.tasks.map(({ nodeId, state }) => `${nodeId} ${state}`));
      const answered = [run?.state, ...states].join(", ");
      if (answered !== expected) flaws.push(`${runId} (${name}) is ${answered}, not ${expected}`);
      const fold = folded.get(runId);
      const inFold = [
        fold && runStateMessage[fold.state],
        ...(fold?.tasks ?? []).map(({ state, attempt }) => `${taskStateMessage[state]}#${attempt}`),
      ].join(", ");
      const shown = [
        run?.state,
        ...(run?.tasks ?? []).map(({ state, attempt }) => `${state}#${attempt}`),
      ].join(", ");
      if (inFold !== shown)
        flaws.push(`${runId} (${name}) is answered as ${shown}, and adds up to ${inFold}`);
    }
    return [...flaws, ...brokenDown()];
  }

  /** Resolves when nothing is left in the broker that anybody waits for. Wakes go by their age. */
  async leftNothing(): Promise<void> {
    const { broker } = this.#cluster;
    let left: string[] = [];
    await until(
      "the streams are empty",
      async () => {
        left = [];
        for await (const stream of broker.streams("")) {
          if (stream.startsWith("antiphon:wake:")) continue;
          const entries = await broker.range(stream, { after: "0-0", count: 1 });
          if (entries.length > 0 || stream.startsWith("antiphon:io:")) left.push(stream);
        }
        return left.length === 0;
      },
      settleMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${left.join(" ")}`);
    });
  }

  /** Calls one replica, after a failure the next with the same request id, and so on until one answers. */
  async #repeated<Answer>(
    call: (scheduler: Client<typeof SchedulerService>, requestId: string) => Promise<Answer>,
  ): Promise<Answer> {
    const { schedulers } = this.#cluster;
    const requestId = randomUUID();
    let turn = this.#dice.between(0, schedulers.length);
    let failure: unknown;
    return await until(
      "a call is answered",
      async () => {
        const scheduler = schedulers[turn++ % schedulers.length];
        try {
          return scheduler && { answer: await call(scheduler, requestId) };
        } catch (error) {
          failure = error;
          return undefined;
        }
      },
      settleMs,
    ).then(
      ({ answer }) => answer,
      (error: unknown) => {
        throw new Error(String(error), { cause: failure });
      },
    );
  }
}
