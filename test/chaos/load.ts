/*
 * Runs of several shapes, each with the one outcome that it may have whatever
 * dies meanwhile, and the checks of what must hold of all of them in the end.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { historyStore } from "../../services/scheduler/history-store.ts";
import { RunLoader } from "../../services/scheduler/run-loader.ts";
import { runStateMessage, taskStateMessage } from "../../services/scheduler/state-message.ts";
import { workflowStore } from "../../services/scheduler/workflow-store.ts";
import { until } from "../support/until.ts";
import type { Cluster } from "./cluster.ts";
import type { Dice } from "./dice.ts";

/** How long everything may take to settle on a slow machine. */
const settleMs = 120_000;

/** How many starts are under way at once. */
const startsAtOnce = 16;

/** A call that is not answered by then is repeated elsewhere. */
const callTimeoutMs = 3_000;

interface Node {
  readonly id: string;
  readonly handler?: string;
  readonly dependencies?: readonly string[];
  readonly config?: unknown;
}

interface Shape {
  readonly nodes: readonly Node[];
  readonly state: RunState;
  /** The states of tasks that do not complete. */
  readonly otherwise?: Readonly<Record<string, TaskState>>;
}

const nodesInARow = ["A", "B", "C", "D", "E", "F"];

const printing = `import time
print("begun", flush=True)
time.sleep(1)
print("done", flush=True)
`;

/** What runs look like. */
export const shapes = {
  chain: {
    nodes: nodesInARow.map((id, index) => ({
      id,
      dependencies: nodesInARow.slice(Math.max(0, index - 1), index),
      config: index === 0 ? { n: 1 } : { n: `{{ ${nodesInARow[index - 1]}.n }}` },
    })),
    state: RunState.COMPLETED,
  },
  fan: {
    nodes: [
      { id: "A" },
      ...["B", "C", "D", "E", "F"].map((id) => ({ id, dependencies: ["A"] })),
      { id: "Z", dependencies: ["B", "C", "D", "E", "F"] },
    ],
    state: RunState.COMPLETED,
  },
  leased: {
    nodes: [
      { id: "A" },
      {
        id: "B",
        handler: "unreliable_handler",
        dependencies: ["A"],
        config: { failure_rate: 0, latency_ms: 600 },
      },
      { id: "C", dependencies: ["B"] },
    ],
    state: RunState.COMPLETED,
  },
  long: {
    nodes: [
      { id: "A", handler: "unreliable_handler", config: { failure_rate: 0, latency_ms: 4_000 } },
      { id: "B", dependencies: ["A"] },
    ],
    state: RunState.COMPLETED,
  },
  failing: {
    nodes: [
      { id: "A" },
      { id: "B", handler: "unreliable_handler", dependencies: ["A"], config: { fail_times: 1_000 } },
      { id: "C", dependencies: ["B"] },
      { id: "D", dependencies: ["A"] },
    ],
    state: RunState.FAILED,
    otherwise: { B: TaskState.FAILED, C: TaskState.SKIPPED },
  },
  program: {
    nodes: [{ id: "A", handler: "program", config: { file_name: "a.py", source: printing } }],
    state: RunState.COMPLETED,
  },
} satisfies Record<string, Shape>;

export type ShapeName = keyof typeof shapes;

/** What runs are made of that are short: four in ten of them fan out. */
const mixed: readonly ShapeName[] = ["chain", "fan", "fan", "leased", "failing"];

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
      const nodes = shapes[name].nodes.map(
        ({ id, handler = "noop", dependencies = [], config = {} }: Node) => ({
          id,
          handler,
          dependencies: [...dependencies],
          config: new TextEncoder().encode(JSON.stringify(config)),
        }),
      );
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
    let left = "all of them";
    await until(
      "every run has ended",
      async () => {
        const rows = await db
          .query<{ run_id: string }>(sql`
            select run_id from scheduler.run
            where run_id = any (${[...this.#runs.keys()]}::uuid[]) and ended_at is null
          `)
          .catch(() => undefined);
        if (rows !== undefined) left = rows.map(({ run_id: runId }) => runId).join(" ");
        return left === "";
      },
      settleMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${left}\n${this.#cluster.brokenDown().join("\n")}`);
    });
  }

  /**
   * What is not as it should be: a run that did not end as its shape says; a history that has a hole, ends a node
   * twice, or adds up to something else than is answered; a process that ended by itself.
   */
  async flaws(): Promise<string[]> {
    const { db, schedulers, brokenDown } = this.#cluster;
    const runIds = [...this.#runs.keys()];
    const inHistory = await db.query<{ run_id: string; what: string }>(sql`
      select run_id, 'has a hole' as what
      from scheduler.run_event where run_id = any (${runIds}::uuid[])
      group by run_id having count(*) <> max(seq)
      union all
      select run_id, 'ended ' || node_id || ' ' || count(*) || ' times'
      from scheduler.run_event where run_id = any (${runIds}::uuid[]) and type = 'task_ended'
      group by run_id, node_id having count(*) > 1
    `);
    const flaws = inHistory.map(({ run_id: runId, what }) => `${runId} ${what}`);
    const folded = await new RunLoader(historyStore(db), workflowStore(db)).load(runIds);
    for (const [index, [runId, name]] of [...this.#runs].entries()) {
      const { run } = (await schedulers[index % schedulers.length]?.getRun({ runId })) ?? {};
      const shape: Shape = shapes[name];
      const stateOf = (id: string) => shape.otherwise?.[id] ?? TaskState.COMPLETED;
      const expected = [shape.state, ...shape.nodes.map(({ id }) => `${id} ${stateOf(id)}`)].join(", ");
      const answered = [
        run?.state,
        ...(run?.tasks ?? []).map(({ nodeId, state }) => `${nodeId} ${state}`),
      ].join(", ");
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
