import { GatheredReads } from "../../lib/async/gathered-reads.ts";
import { begin, evolve } from "./core/evolve.ts";
import { type Plan, planOf } from "./core/plan.ts";
import type { Run } from "./core/run.ts";
import { decodeEvent, type EventRow, workflowOf } from "./event-codec.ts";
import type { HistoryStore } from "./history-store.ts";
import type { WorkflowStore } from "./workflow-store.ts";

/**
 * How many plans of stored workflows are kept, and how much their definitions may
 * have together, in characters of JSON; the least recently used goes first. In
 * memory a plan takes about twenty times that.
 */
const maxPlans = 500;
const maxPlansLength = 16 * 1024 * 1024;

/** A plan, and the length of its definition. */
interface KeptPlan {
  readonly plan: Plan;
  readonly length: number;
}

/** This code can not fold a history: newer code wrote it, or it is broken. Whoever meets one must not decide about its run. */
export class HistoryUnreadable extends Error {
  override readonly name = "HistoryUnreadable";
}

/** Folds runs from their histories. Plans of stored workflows are kept and shared by their runs. */
export class RunLoader {
  readonly #history: Pick<HistoryStore, "eventsOf" | "eventsToDecide">;
  readonly #workflows: Pick<WorkflowStore, "read">;
  readonly #plans = new Map<string, KeptPlan>();
  #plansLength = 0;
  readonly #shown = new GatheredReads<string, Run>((runIds) => this.load(runIds));
  // Of their own: whoever decides goes on to change what it was given.
  readonly #toDecide = new GatheredReads<string, Run | "deleted">((runIds) => this.#loadToDecide(runIds));

  constructor(
    history: Pick<HistoryStore, "eventsOf" | "eventsToDecide">,
    workflows: Pick<WorkflowStore, "read">,
  ) {
    this.#history = history;
    this.#workflows = workflows;
  }

  /** The runs as history has them; unknown and deleted ones are missing. Throws `HistoryUnreadable`. */
  async load(runIds: readonly string[]): Promise<Map<string, Run>> {
    return await this.#foldAll(await this.#history.eventsOf(runIds));
  }

  /** One run as history has it, not to be changed; undefined when it is unknown or deleted. Throws `HistoryUnreadable`. */
  async loadOne(runId: string): Promise<Run | undefined> {
    return await this.#shown.get(runId);
  }

  /** As `loadOne`, for whoever decides about the run, and may begin it when there is none. */
  async loadToDecide(runId: string): Promise<Run | "deleted" | undefined> {
    return await this.#toDecide.get(runId);
  }

  /** Those of the runs that whoever owns them goes on with, deleted ones that have not ended included; to be changed. Throws `HistoryUnreadable`. */
  async loadToConduct(runIds: readonly string[]): Promise<Map<string, Run>> {
    return await this.#foldAll((await this.#history.eventsToDecide(runIds)).events);
  }

  async #loadToDecide(runIds: readonly string[]): Promise<Map<string, Run | "deleted">> {
    const { events, deleted } = await this.#history.eventsToDecide(runIds);
    const runs: Map<string, Run | "deleted"> = await this.#foldAll(events);
    for (const runId of deleted) runs.set(runId, "deleted");
    return runs;
  }

  /** The plans of stored workflows. Throws when one is not stored. */
  async plansOf(workflowIds: readonly string[]): Promise<ReadonlyMap<string, Plan>> {
    const wanted = new Set(workflowIds);
    const missing = [...wanted].filter((workflowId) => !this.#plans.has(workflowId));
    const read = missing.length === 0 ? new Map() : await this.#workflows.read(missing);
    const plans = new Map<string, Plan>();
    for (const workflowId of wanted) {
      const kept = this.#plans.get(workflowId) ?? planOfStored(workflowId, read.get(workflowId)?.definition);
      plans.set(workflowId, kept.plan);
      this.#forgetPlan(workflowId);
      this.#plans.set(workflowId, kept);
      this.#plansLength += kept.length;
    }
    for (const workflowId of this.#plans.keys()) {
      if (this.#plans.size <= maxPlans && this.#plansLength <= maxPlansLength) break;
      this.#forgetPlan(workflowId);
    }
    return plans;
  }

  #forgetPlan(workflowId: string): void {
    this.#plansLength -= this.#plans.get(workflowId)?.length ?? 0;
    this.#plans.delete(workflowId);
  }

  async #foldAll(rows: readonly EventRow[]): Promise<Map<string, Run>> {
    const histories = Map.groupBy(rows, (row) => row.run_id);
    const plans = await this.plansOf([...histories.values()].flatMap((own) => workflowIdOf(own) ?? []));
    const runs = new Map<string, Run>();
    for (const [runId, own] of histories) {
      const plan = plans.get(workflowIdOf(own) ?? "");
      try {
        const run = fold(runId, own, plan);
        if (run !== undefined) runs.set(runId, run);
      } catch (cause) {
        throw new HistoryUnreadable(`the history of run ${runId} can not be folded`, { cause });
      }
    }
    return runs;
  }
}

/** Folds one history; undefined when it is empty. */
export function fold(runId: string, rows: readonly EventRow[], plan: Plan | undefined): Run | undefined {
  const definitionOf = (workflowId: string) => {
    if (plan === undefined) throw new Error(`run ${runId}: workflow ${workflowId} is not there`);
    return plan.definition;
  };
  const [first, ...rest] = rows;
  if (first === undefined) return undefined;
  const { run } = begin(runId, decodeEvent(first, definitionOf), plan);
  for (const row of rest) evolve(run, decodeEvent(row, definitionOf));
  return run;
}

function workflowIdOf(rows: readonly EventRow[]): string | undefined {
  return rows[0] === undefined ? undefined : workflowOf(rows[0]);
}

function planOfStored(workflowId: string, definition: Plan["definition"] | undefined): KeptPlan {
  if (definition === undefined) throw new Error(`workflow ${workflowId} is not there`);
  return { plan: planOf(definition), length: JSON.stringify(definition).length };
}
