/*
 * People who send the signals that runs wait for, also those that no client
 * started itself.
 */
import { delay } from "../../../lib/async/delay.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { isFinalRun } from "../../../services/scheduler/core/task-state.ts";
import { insist } from "./insist.ts";
import { type People, patience, schedulerFor } from "./people.ts";

const lookMs = 600;

export class Signaller {
  readonly #people: People;
  readonly #spawn: (name: string, act: () => Promise<void>) => void;
  readonly #seen = new Set<string>();

  constructor(people: People, spawn: (name: string, act: () => Promise<void>) => void) {
    this.#people = people;
    this.#spawn = spawn;
  }

  /** Sends for ever. */
  async run(): Promise<never> {
    for (;;) {
      await delay(lookMs);
      for (const [runId, { tasks, clientId, state }] of this.#people.ledger.runs) {
        if (isFinalRun(state)) continue;
        for (const task of tasks) {
          const key = `signal ${task.awaitedSignal} to ${runId}.${task.name}#${task.attempt}`;
          if (task.awaitedSignal === undefined || this.#seen.has(key)) continue;
          this.#seen.add(key);
          const given = { runId, name: task.awaitedSignal };
          this.#spawn(key, async () => await this.#send(clientId, given));
        }
      }
    }
  }

  async #send(clientId: string, signal: { readonly runId: string; readonly name: string }): Promise<void> {
    const { world, ledger, violations } = this.#people;
    await delay(world.random.between(0, 2_000));
    const requestId = world.random.uuid();
    const isTaken = await insist(world.random, async () => {
      try {
        await schedulerFor(this.#people, clientId).signalRun({ ...signal, requestId }, patience);
        return true;
      } catch (error) {
        if (fromConnectError(error).reason === "RUN_ENDED") return false;
        throw error;
      }
    });
    if (!isTaken || ledger.isSignalled(signal.runId, requestId)) return;
    violations.report("answered and lost", `the signal ${signal.name} of run ${signal.runId}`);
  }
}
