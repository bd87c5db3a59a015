/*
 * Somebody who wants a run: starts it, asks again when nobody answers, and does
 * to it what else was wished. What is answered is compared with history.
 */
import type { Client } from "@connectrpc/connect";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import type { Run } from "../../../services/scheduler/core/run.ts";
import { isFinalRun } from "../../../services/scheduler/core/task-state.ts";
import type { Wish } from "../scenario/scenario.ts";
import type { SimulatedWorkflow } from "../scenario/workflows.ts";
import { insist } from "./insist.ts";
import { type People, patience, schedulerFor } from "./people.ts";

/** How often it is looked whether a run has ended. */
const lookMs = 500;

export class Wisher {
  readonly #people: People;
  readonly #wish: Wish;
  readonly #scheduler: Client<typeof SchedulerService>;

  constructor(people: People, wish: Wish) {
    this.#people = people;
    this.#wish = wish;
    this.#scheduler = schedulerFor(people, wish.clientId);
  }

  /** Resolves when everything that was wished was answered. */
  async fulfil(): Promise<void> {
    const { atMs, workflow, againAfterMs, cancelAfterMs, holdMs, pause, rerun } = this.#wish;
    await delay(atMs);
    const workflowId = await this.#store(workflow);
    const again = againAfterMs.map(async (ms) => {
      await delay(ms);
      await this.#start(workflowId);
    });
    const runId = await this.#start(workflowId);
    await Promise.all([
      ...again,
      this.#signal(runId),
      holdMs === undefined ? undefined : this.#resume(runId, holdMs, "unhold"),
      pause === undefined ? undefined : this.#pause(runId, pause),
      cancelAfterMs === undefined ? undefined : this.#cancel(runId, cancelAfterMs),
    ]);
    if (rerun === undefined) return;
    while (!this.#hasEnded(runId)) await delay(lookMs);
    await this.#signal(await this.#rerun(runId, rerun));
  }

  /** Stores a workflow, after those that its nodes start. */
  async #store({ children, name, dag }: SimulatedWorkflow): Promise<string> {
    for (const child of children) await this.#store(child);
    const requestId = this.#request(`store ${name}`);
    const { workflow } = await this.#ask(
      async () => await this.#scheduler.createWorkflow({ name, dag, requestId }, patience),
    );
    return workflow?.workflowId ?? "";
  }

  async #start(workflowId: string): Promise<string> {
    const { requestId, holdMs } = this.#wish;
    const hold = holdMs !== undefined;
    const { run } = await this.#ask(
      async () => await this.#scheduler.startRun({ workflowId, requestId, hold }, patience),
    );
    const runId = run?.runId ?? "";
    this.#expect(runId, "the start", () => true);
    return runId;
  }

  /** Sends some of the signals that nodes of the run wait for, whether or not they wait already. */
  async #signal(runId: string): Promise<void> {
    const { random } = this.#people.world;
    for (const name of this.#wish.workflow.signals) {
      await delay(random.between(0, 3_000));
      if (random.chance(0.5)) continue;
      const requestId = this.#request(`signal ${name} ${runId}`);
      const isTaken = await this.#unlessEnded(
        async () => await this.#scheduler.signalRun({ runId, name, requestId }, patience),
      );
      if (isTaken)
        this.#expect(runId, `the signal ${name}`, () => this.#people.ledger.isSignalled(runId, requestId));
    }
  }

  async #cancel(runId: string, afterMs: number): Promise<void> {
    await delay(afterMs);
    const requestId = this.#request("cancel");
    await this.#ask(async () => await this.#scheduler.cancelRun({ runId, requestId }, patience));
    this.#expect(runId, "the cancel", (run) => run.isCancelRequested || isFinalRun(run.state));
  }

  async #pause(
    runId: string,
    { afterMs, forMs }: { readonly afterMs: number; readonly forMs: number },
  ): Promise<void> {
    await delay(afterMs);
    const requestId = this.#request("pause");
    await this.#unlessEnded(async () => await this.#scheduler.pauseRun({ runId, requestId }, patience));
    await this.#resume(runId, forMs, "resume");
  }

  async #resume(runId: string, afterMs: number, name: string): Promise<void> {
    await delay(afterMs);
    const requestId = this.#request(name);
    await this.#unlessEnded(async () => await this.#scheduler.resumeRun({ runId, requestId }, patience));
  }

  async #rerun(
    runId: string,
    how: { readonly fromFailed: boolean; readonly requestId: string },
  ): Promise<string> {
    const { run } = await this.#ask(async () => await this.#scheduler.rerunRun({ runId, ...how }, patience));
    const repeatedId = run?.runId ?? "";
    this.#expect(repeatedId, "the repetition", () => true);
    return repeatedId;
  }

  /** Answers whether it was accepted, and not refused because the run has ended. */
  async #unlessEnded(ask: () => Promise<unknown>): Promise<boolean> {
    return await this.#ask(async () => {
      try {
        await ask();
        return true;
      } catch (error) {
        if (fromConnectError(error).reason === "RUN_ENDED") return false;
        throw error;
      }
    });
  }

  async #ask<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return await insist(this.#people.world.random, ask);
  }

  /** What was answered must be in history. */
  #expect(runId: string, what: string, isThere: (run: Run) => boolean): void {
    const { ledger, violations } = this.#people;
    const run = ledger.runs.get(runId);
    if (run === undefined || !isThere(run)) violations.report("answered and lost", `${what} of run ${runId}`);
  }

  #hasEnded(runId: string): boolean {
    return isFinalRun(this.#people.ledger.runs.get(runId)?.state ?? "running");
  }

  #request(what: string): string {
    return `${what} ${this.#wish.requestId}`.slice(0, 100);
  }
}
