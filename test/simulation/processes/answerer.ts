/*
 * People who answer what is asked: some at the same time as others, some twice.
 */
import { delay } from "../../../lib/async/delay.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { isFinalRun } from "../../../services/scheduler/core/task-state.ts";
import type { LedgerPrompt } from "../checks/ledger.ts";
import type { Answering } from "../scenario/scenario.ts";
import { insist } from "./insist.ts";
import { type People, patience, taskioFor } from "./people.ts";

/** How often people look for questions. */
const lookMs = 150;

export class Answerer {
  readonly #people: People;
  readonly #answering: Answering;
  readonly #spawn: (name: string, act: () => Promise<void>) => void;
  readonly #seen = new Set<LedgerPrompt>();

  constructor(people: People, answering: Answering, spawn: (name: string, act: () => Promise<void>) => void) {
    this.#people = people;
    this.#answering = answering;
    this.#spawn = spawn;
  }

  /** Answers for ever. */
  async run(): Promise<never> {
    const { ledger, world } = this.#people;
    for (;;) {
      await delay(lookMs);
      for (const prompt of ledger.prompts.values()) {
        if (this.#seen.has(prompt)) continue;
        this.#seen.add(prompt);
        const people = world.random.chance(this.#answering.twice) ? 2 : 1;
        for (let person = 1; person <= people; person += 1) {
          const name = `answer ${person} to ${prompt.promptId} of ${prompt.taskId}`;
          this.#spawn(name, async () => await this.#answer(prompt, person));
        }
      }
    }
  }

  async #answer(prompt: LedgerPrompt, person: number): Promise<void> {
    const { random } = this.#people.world;
    const { afterMs, again } = this.#answering;
    await delay(random.between(afterMs.low, afterMs.high));
    const requestId = random.uuid();
    const text = prompt.isApproval ? random.pick(["yes", "no"]) : `answer ${person} to ${prompt.promptId}`;
    await this.#send(prompt, { text, requestId });
    if (!random.chance(again)) return;
    await delay(random.between(1, 3_000));
    await this.#send(prompt, { text, requestId });
  }

  async #send(
    prompt: LedgerPrompt,
    given: { readonly text: string; readonly requestId: string },
  ): Promise<void> {
    const { ledger, violations, world } = this.#people;
    const { taskId, promptId, runId } = prompt;
    const taskio = taskioFor(this.#people, ledger.runs.get(runId)?.clientId ?? "");
    const isAccepted = await insist(world.random, async () => {
      try {
        await taskio.sendInput({ taskId, promptId, ...given }, patience);
        return true;
      } catch (error) {
        if (fromConnectError(error).reason === "PROMPT_CLOSED" || this.#isOver(runId)) return false;
        throw error;
      }
    });
    if (!isAccepted || prompt.answer?.requestId === given.requestId) return;
    const message = `answer ${given.requestId} to ${promptId} of ${taskId}; history has ${prompt.answer?.requestId}`;
    violations.report("answered and lost", message);
  }

  #isOver(runId: string): boolean {
    return isFinalRun(this.#people.ledger.runs.get(runId)?.state ?? "running");
  }
}
