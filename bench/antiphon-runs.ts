/*
 * Runs on Antiphon, driven through its front door: the SDK, the gateway, every
 * call with its token. Ends are read in Postgres, because to watch a thousand
 * runs would be part of what is measured.
 */
import { Database } from "../lib/postgres/database.ts";
import { sql } from "../lib/postgres/sql.ts";
import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import type { AntiphonProcesses } from "./antiphon-processes.ts";
import type { Props } from "./stage.ts";
import { until } from "./until.ts";

/** How many connections the runs are started by. */
const connectionCount = 4;

/** How many calls of one connection are open at a time. */
const callsPerConnection = 32;

/**
 * How long a worker stands still at most. It finds a connection dead that was
 * silent for 4 s, of which it may have waited 2 s before, and what it was given
 * meanwhile is then handed out again a lease later.
 */
const damMs = 1_500;

/** How often it is looked how many runs are left. */
const lookEveryMs = 20;

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** A → {B, C} → D. */
export const fanDependencies = { A: [], B: ["A"], C: ["A"], D: ["B", "C"] };

/** Nodes in a row. */
export function chainDependencies(length: number): Readonly<Record<string, string[]>> {
  const names = Array.from({ length }, (_, index) => `n${index}`);
  return Object.fromEntries(names.map((name, index) => [name, index === 0 ? [] : [`n${index - 1}`]]));
}

export class AntiphonRuns implements AsyncDisposable {
  readonly #processes: AntiphonProcesses;
  readonly #clients: readonly Antiphon[];
  readonly #db: Database;

  constructor(processes: AntiphonProcesses, { databaseUrl }: Pick<Props, "databaseUrl">) {
    this.#processes = processes;
    this.#clients = Array.from({ length: connectionCount }, () => processes.client());
    this.#db = new Database(databaseUrl, { maxConnections: 2, applicationName: "bench" });
  }

  /** Stores a workflow of `noop` nodes and answers its id. */
  async workflow(name: string, dependencies: Readonly<Record<string, string[]>>): Promise<string> {
    const nodes = Object.entries(dependencies).map(([id, before]) => ({
      id,
      handler: "noop",
      dependencies: before,
      config: json({}),
    }));
    const { workflow } = await this.#client(0).scheduler.createWorkflow({ name, dag: { nodes } });
    return workflow?.workflowId ?? "";
  }

  /** Keeps up to `inFlight` runs going until `runs` have ended, and answers the time from the first start to the last end, in milliseconds. */
  async drive(workflowId: string, { runs, inFlight }: { runs: number; inFlight: number }): Promise<number> {
    const before = await this.#endedCount();
    let started = 0;
    let live = 0;
    const begunAt = Date.now();
    const starting = this.#startEach(workflowId, () => {
      if (started === runs) return "enough";
      if (live >= inFlight) return "later";
      started += 1;
      live += 1;
      return "go";
    });
    const ending = this.#untilEnded(before + runs, (ended) => {
      live = started - (ended - before);
    });
    await Promise.all([starting, ending]);
    return (await this.#lastEndMs()) - begunAt;
  }

  /**
   * Starts runs while the worker stands still, as many as are accepted within
   * `damMs` and `most` at most, then lets it go on. Answers how many there were, how
   * long the starts took, and how long the work from the moment the worker went
   * on to the last end, both in milliseconds.
   */
  async dam(
    workflowId: string,
    most: number,
  ): Promise<{ readonly runs: number; readonly acceptMs: number; readonly drainMs: number }> {
    const before = await this.#endedCount();
    this.#processes.signalWorker("SIGSTOP");
    let runs = 0;
    const begunAt = performance.now();
    try {
      await this.#startEach(workflowId, () => {
        if (runs === most || performance.now() - begunAt > damMs) return "enough";
        runs += 1;
        return "go";
      });
    } finally {
      this.#processes.signalWorker("SIGCONT");
    }
    const acceptMs = performance.now() - begunAt;
    const releasedAt = Date.now();
    await this.#untilEnded(before + runs);
    return { runs, acceptMs, drainMs: (await this.#lastEndMs()) - releasedAt };
  }

  /** Starts one run and answers when it was accepted, when its first node had run and when it ended, by the clock of its history. Epoch milliseconds. */
  async one(workflowId: string): Promise<{
    readonly acceptedAt: number;
    readonly firstRunAt: number;
    readonly endedAt: number;
  }> {
    const { run } = await this.#client(0).scheduler.startRun({ workflowId });
    const runId = run?.runId ?? "";
    let times: { created_at: Date; first_at: Date | null; ended_at: Date | null } | undefined;
    await until(
      `run ${runId} has ended`,
      async () => {
        [times] = await this.#db.query<NonNullable<typeof times>>(sql`
          select run.created_at, run.ended_at, min(event.at) as first_at
          from scheduler.run
          join scheduler.run_event as event using (run_id)
          where run.run_id = ${runId}::uuid
            and event.type = 'task_ended'
          group by run.run_id
        `);
        return times?.ended_at instanceof Date;
      },
      { everyMs: 3 },
    );
    return {
      acceptedAt: times?.created_at.getTime() ?? Number.NaN,
      firstRunAt: times?.first_at?.getTime() ?? Number.NaN,
      endedAt: times?.ended_at?.getTime() ?? Number.NaN,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    await this.#db.close();
  }

  #client(index: number): Antiphon {
    const client = this.#clients[index];
    if (client === undefined) throw new Error(`there is no connection ${index}`);
    return client;
  }

  /** Starts runs over all connections, as long as `next` says so. */
  async #startEach(workflowId: string, next: () => "go" | "later" | "enough"): Promise<void> {
    const caller = async ({ scheduler }: Antiphon): Promise<void> => {
      for (;;) {
        const what = next();
        if (what === "enough") return;
        if (what === "go") await scheduler.startRun({ workflowId });
        else await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    await Promise.all(
      this.#clients.flatMap((client) => Array.from({ length: callsPerConnection }, () => caller(client))),
    );
  }

  /** Resolves when so many runs have ended; tells how many have as it looks. */
  async #untilEnded(count: number, look: (ended: number) => void = () => undefined): Promise<void> {
    await until(
      "all runs have ended",
      async () => {
        this.#processes.check();
        const ended = await this.#endedCount();
        look(ended);
        return ended >= count;
      },
      { everyMs: lookEveryMs },
    );
  }

  async #endedCount(): Promise<number> {
    const [row] = await this.#db.query<{ ended: number }>(
      sql`select count(*)::int as ended from scheduler.run where ended_at is not null`,
    );
    return row?.ended ?? 0;
  }

  async #lastEndMs(): Promise<number> {
    const [row] = await this.#db.query<{ at: Date }>(sql`select max(ended_at) as at from scheduler.run`);
    return row?.at.getTime() ?? Number.NaN;
  }
}
