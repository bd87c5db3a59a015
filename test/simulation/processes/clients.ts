/*
 * The people: they start runs, ask again when nobody answers, cancel some, and
 * answer what is asked. What they are answered is compared with history.
 */
import { type Client, createClient } from "@connectrpc/connect";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { isFinalRun } from "../../../services/scheduler/core/task-state.ts";
import type { Ledger, LedgerPrompt } from "../checks/ledger.ts";
import type { Violations } from "../checks/violations.ts";
import type { Answering, Wish } from "../scenario/scenario.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import { insist } from "./insist.ts";
import type { Network } from "./network.ts";
import { Readers } from "./readers.ts";

/** A call that is not answered by then is made again. */
const callTimeoutMs = 6_000;

/** How often people look for questions. */
const lookMs = 150;

export interface ClientsNeeds {
  readonly world: World;
  readonly process: SimulatedProcess;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly violations: Violations;
  readonly answering: Answering;
  readonly anyReplica: () => SimulatedProcess | undefined;
  readonly anyTaskio: () => SimulatedProcess | undefined;
}

export class Clients {
  readonly #needs: ClientsNeeds;
  readonly #readers: Readers;
  readonly #seen = new Set<string>();
  #open = 0;

  constructor(needs: ClientsNeeds) {
    this.#needs = needs;
    this.#readers = new Readers(needs);
  }

  /** Who waits for something; undefined when nobody does. */
  get waiting(): string | undefined {
    return this.#open === 0 ? this.#readers.waiting : "somebody waits for an answer";
  }

  /** Begins to wish. To be called in the life of the clients' process. */
  begin(wishes: readonly Wish[]): void {
    for (const wish of wishes) this.#spawn(async () => await this.#wish(wish));
    this.#answerAll().catch((error: unknown) => this.#broken(error));
    this.#readers.run().catch((error: unknown) => this.#broken(error));
  }

  async #wish({ clientId, atMs, workflow, requestId, againAfterMs, cancelAfterMs }: Wish): Promise<void> {
    await delay(atMs);
    const { ledger, violations } = this.#needs;
    const scheduler = this.#scheduler(clientId);
    const { name, nodes } = workflow;
    const dag = {
      nodes: nodes.map((node) => ({
        ...node,
        dependencies: [...node.dependencies],
        config: json(node.config),
      })),
    };
    const created = await insist(
      this.#needs.world.random,
      async () => await scheduler.createWorkflow({ name, dag, requestId }, { timeoutMs: callTimeoutMs }),
    );
    const workflowId = created.workflow?.workflowId ?? "";
    const start = async (): Promise<string> => {
      const { run } = await insist(
        this.#needs.world.random,
        async () => await scheduler.startRun({ workflowId, requestId }, { timeoutMs: callTimeoutMs }),
      );
      const runId = run?.runId ?? "";
      if (!ledger.runs.has(runId)) violations.report("answered and lost", `the start of run ${runId}`);
      return runId;
    };
    const again = againAfterMs.map(async (ms) => {
      await delay(ms);
      await start();
    });
    const runId = await start();
    if (cancelAfterMs !== undefined) {
      await delay(cancelAfterMs);
      await insist(
        this.#needs.world.random,
        async () =>
          await scheduler.cancelRun({ runId, requestId: `${requestId}-c` }, { timeoutMs: callTimeoutMs }),
      );
      const cancelled = ledger.runs.get(runId);
      if (cancelled === undefined || !(cancelled.isCancelRequested || isFinalRun(cancelled.state))) {
        violations.report("answered and lost", `the cancel of run ${runId}`);
      }
    }
    await Promise.all(again);
  }

  async #answerAll(): Promise<void> {
    const { ledger, world, answering } = this.#needs;
    for (;;) {
      await delay(lookMs);
      for (const prompt of ledger.prompts.values()) {
        if (this.#seen.has(prompt.promptId)) continue;
        this.#seen.add(prompt.promptId);
        const people = world.random.chance(answering.twice) ? 2 : 1;
        for (let person = 1; person <= people; person += 1) {
          this.#spawn(async () => await this.#answer(prompt, person));
        }
      }
    }
  }

  async #answer({ promptId, taskId, runId }: LedgerPrompt, person: number): Promise<void> {
    const { world, ledger, violations, answering } = this.#needs;
    const { random } = world;
    await delay(random.between(answering.afterMs.low, answering.afterMs.high));
    const clientId = ledger.runs.get(runId)?.clientId ?? "";
    const requestId = random.uuid();
    const given = { taskId, promptId, text: `answer ${person} to ${promptId}`, requestId };
    const answer = async (): Promise<void> => {
      const isAccepted = await insist(this.#needs.world.random, async () => {
        try {
          await this.#taskio(clientId).sendInput(given, { timeoutMs: callTimeoutMs });
          return true;
        } catch (error) {
          const { reason } = fromConnectError(error);
          if (reason === "PROMPT_CLOSED" || this.#isOver(promptId)) return false;
          throw error;
        }
      });
      const accepted = ledger.prompts.get(promptId)?.answer?.requestId;
      if (isAccepted && accepted !== requestId) {
        violations.report("answered and lost", `answer ${requestId} to ${promptId}; history has ${accepted}`);
      }
    };
    const again = random.chance(answering.again) ? random.between(1, 3_000) : undefined;
    await answer();
    if (again === undefined) return;
    await delay(again);
    await answer();
  }

  /** Whether nobody waits for an answer to a prompt any more. */
  #isOver(promptId: string): boolean {
    const { ledger } = this.#needs;
    const prompt = ledger.prompts.get(promptId);
    const run = ledger.runs.get(prompt?.runId ?? "");
    return prompt === undefined || run === undefined || isFinalRun(run.state);
  }

  #spawn(act: () => Promise<void>): void {
    this.#open += 1;
    act()
      .catch((error: unknown) => this.#broken(error))
      .finally(() => {
        this.#open -= 1;
      });
  }

  #broken(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#needs.violations.report("defect", `a client is refused: ${text}`);
  }

  #scheduler(clientId: string): Client<typeof SchedulerService> {
    const { network, process, anyReplica } = this.#needs;
    return createClient(
      SchedulerService,
      network.transport(process, anyReplica, { clientId, audience: "tasks-api" }),
    );
  }

  #taskio(clientId: string): Client<typeof TaskIOService> {
    const { network, process, anyTaskio } = this.#needs;
    return createClient(
      TaskIOService,
      network.transport(process, anyTaskio, { clientId, audience: "tasks-api" }),
    );
  }
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
