/*
 * One seed: its world, its processes, what goes wrong in it, and what must hold.
 *
 *   S1. Whatever happens is drawn from the seed; the same seed is the same story.
 *   S2. Processes die and come back as a supervisor would have it; from
 *       `calmAtMs` on nothing fails any more, everybody is there, and everything
 *       must go on, and come to its end.
 */

import { isFinalRun } from "../../services/scheduler/core/task-state.ts";
import { BrokerServer } from "./broker/broker-server.ts";
import { SimulatedBroker } from "./broker/simulated-broker.ts";
import { BrokerChecks, controlPrefix, reportPrefix, workPrefix } from "./checks/broker-checks.ts";
import { CallChecks } from "./checks/call-checks.ts";
import { Ledger } from "./checks/ledger.ts";
import { setPresent } from "./checks/present.ts";
import { RecordChecks } from "./checks/record-checks.ts";
import { TranscriptChecks } from "./checks/transcript-checks.ts";
import { type Violation, Violations } from "./checks/violations.ts";
import { WorkChecks } from "./checks/work-checks.ts";
import { SimulatedDatabase } from "./postgres/simulated-database.ts";
import { SimulatedPostgres } from "./postgres/simulated-postgres.ts";
import { Tables } from "./postgres/tables.ts";
import { Clients } from "./processes/clients.ts";
import { Network } from "./processes/network.ts";
import {
  leaseMarginMs,
  leaseMs,
  type Surroundings,
  startReplica,
  startTaskio,
  startWorker,
} from "./processes/services.ts";
import { storyLog } from "./processes/story-log.ts";
import { type Chances, calm } from "./scenario/chances.ts";
import { type Scenario, scenarioOf } from "./scenario/scenario.ts";
import type { Upset } from "./scenario/upsets.ts";
import { type ProcessKind, SimulatedProcess } from "./world/simulated-process.ts";
import { enter } from "./world/virtual-globals.ts";
import { World } from "./world/world.ts";

/** How long nothing may be committed, once nothing fails any more, before everything has ended, in virtual time. */
const stuckMs = 80_000;

/** How long everything may take to end at most. */
const settleMs = 900_000;

/** How often it is looked whether everything has ended. */
const lookMs = 500;

/** How soon a process is started again that ended by itself. */
const supervisorMs = 1_000;

const transcriptPrefix = "antiphon:io:";
const asideStream = "antiphon:aside";

/** What came of a seed. */
export interface Outcome {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly virtualMs: number;
  readonly events: number;
  /** How many runs were accepted. */
  readonly runs: number;
  readonly digest: string;
  readonly story: readonly string[];
}

/** Simulates a seed. With `isTold`, the story is kept and its digest taken. */
export async function simulate(seed: number, { isTold }: { readonly isTold: boolean }): Promise<Outcome> {
  const simulation = new Simulation(seed, isTold);
  return await simulation.run();
}

class Simulation {
  readonly #seed: number;
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #chances: Chances;
  readonly #violations: Violations;
  readonly #postgres: SimulatedPostgres;
  readonly #brokerServer: BrokerServer;
  readonly #ledger: Ledger;
  readonly #work: WorkChecks;
  readonly #transcripts: TranscriptChecks;
  readonly #brokerChecks: BrokerChecks;
  readonly #network: Network;
  readonly #clients: Clients;
  /** The newest life of each name, and what it runs. */
  readonly #lives = new Map<string, { process: SimulatedProcess; running: AsyncDisposable | undefined }>();
  #isCalm = false;

  constructor(seed: number, isTold: boolean) {
    this.#seed = seed;
    const scenario = scenarioOf(seed);
    this.#scenario = scenario;
    const world = new World({ seed, isTold });
    this.#world = world;
    this.#chances = { ...scenario.chances };
    const chances = this.#chances;
    const violations = new Violations({ stop: () => world.stop(), tell: (line) => world.tell(line) });
    this.#violations = violations;
    const tables = new Tables(scenario.partitions);
    this.#postgres = new SimulatedPostgres({ world, chances, tables });
    this.#brokerServer = new BrokerServer(world);
    const ledger = new Ledger({
      tables,
      world,
      violations,
      onLapse: (attempt, lease) => this.#work.lapsed(attempt, lease.incarnation, lease.workerId),
    });
    this.#ledger = ledger;
    this.#work = new WorkChecks({ world, ledger, violations, leaseMs, marginMs: leaseMarginMs });
    this.#transcripts = new TranscriptChecks({
      tables,
      ledger,
      violations,
      isFaithful: (incarnation) => this.#work.isFaithful(incarnation),
    });
    this.#brokerChecks = new BrokerChecks({ world, ledger, violations });
    this.#network = new Network({
      world,
      chances,
      watcher: new CallChecks({ ledger, work: this.#work, violations }),
    });
    const people = {
      world,
      process: this.#begin("client", "clients"),
      network: this.#network,
      ledger,
      violations,
      transcripts: this.#transcripts,
      anyReplica: () => this.#any("scheduler"),
      anyTaskio: () => this.#any("taskio"),
    };
    this.#clients = new Clients(people, scenario.answering);
    setPresent({
      world,
      ledger,
      violations,
      work: this.#work,
      transcripts: this.#transcripts,
      records: new RecordChecks({ tables, ledger, violations }),
    });
  }

  async run(): Promise<Outcome> {
    const world = this.#world;
    const scenario = this.#scenario;
    enter(world);
    const hear = (error: unknown): void => this.#unheard(error);
    process.on("unhandledRejection", hear);
    try {
      for (let index = 1; index <= scenario.replicas; index += 1)
        this.#start("scheduler", `scheduler-${index}`);
      for (let index = 1; index <= scenario.taskios; index += 1) this.#start("taskio", `taskio-${index}`);
      for (const index of scenario.workers.keys()) this.#start("worker", `worker-${index + 1}`);
      const clients = this.#lives.get("clients")?.process;
      world.after(0, () => this.#clients.begin(scenario.wishes), clients);
      for (const upset of scenario.upsets) world.after(upset.atMs, () => this.#upset(upset));
      world.after(scenario.calmAtMs, () => this.#calmDown());
      this.#lookForTheEnd();
      await world.run(scenario.calmAtMs + settleMs);
      await this.#judge();
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#violations.report("defect", text);
    } finally {
      process.off("unhandledRejection", hear);
      enter(undefined);
      setPresent(undefined);
    }
    return {
      seed: this.#seed,
      violation: this.#violations.first,
      virtualMs: world.nowMs,
      events: world.eventCount,
      runs: this.#ledger.runs.size,
      digest: world.digest(),
      story: world.story,
    };
  }

  #unheard(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#violations.report(
      "defect",
      `a rejection in ${this.#world.current?.label} is heard by nobody: ${text}`,
    );
  }

  #begin(kind: ProcessKind, name: string): SimulatedProcess {
    const { random } = this.#world;
    const begun = new SimulatedProcess({
      kind,
      name,
      life: (this.#lives.get(name)?.process.life ?? 0) + 1,
      startedMs: this.#world.nowMs,
      clockRate: random.between(0.995, 1.005),
      wallSkewMs: random.between(-2_000, 2_000),
    });
    this.#lives.set(name, { process: begun, running: undefined });
    return begun;
  }

  #start(kind: ProcessKind, name: string): void {
    const begun = this.#begin(kind, name);
    this.#world.tell(() => `${begun.label.padEnd(12)} is started`);
    const life = this.#lives.get(name);
    this.#world.after(
      0,
      () => {
        this.#main(begun).then(
          (running) => {
            if (life !== undefined) life.running = running;
          },
          (error: unknown) => {
            this.#world.tell(() => `${begun.label.padEnd(12)} ends: ${String(error)}`);
            this.#end(begun, supervisorMs);
          },
        );
      },
      begun,
    );
  }

  async #main(begun: SimulatedProcess): Promise<AsyncDisposable> {
    const surroundings = this.#surroundingsOf(begun);
    if (begun.kind === "scheduler") return await startReplica(surroundings);
    if (begun.kind === "taskio") return await startTaskio(surroundings);
    const index = Number(begun.name.slice("worker-".length)) - 1;
    const slots = this.#scenario.workers[index] ?? { slots: 1, programSlots: 1 };
    const running = await startWorker(surroundings, slots);
    running.ended.then(
      ({ kind }) => {
        this.#world.tell(() => `${begun.label.padEnd(12)} ends: ${kind}`);
        // Also one that is superseded by the late call of a process that is gone.
        this.#end(begun, supervisorMs);
      },
      (error: unknown) => this.#unheard(error),
    );
    return running;
  }

  #surroundingsOf(begun: SimulatedProcess): Surroundings {
    const world = this.#world;
    const watcher = {
      committed: (batch: Parameters<Ledger["committed"]>[0]) => this.#ledger.committed(batch),
      archived: (chunks: Parameters<TranscriptChecks["archived"]>[0]) => this.#transcripts.archived(chunks),
      unmodelled: (by: SimulatedProcess) =>
        this.#violations.report("defect", `${by.label} asks Postgres for what has no model here`),
    };
    return {
      process: begun,
      db: new SimulatedDatabase({ postgres: this.#postgres, process: begun, watcher }),
      broker: new SimulatedBroker({
        server: this.#brokerServer,
        process: begun,
        world,
        chances: this.#chances,
        watcher: this.#brokerChecks,
      }),
      network: this.#network,
      log: storyLog({
        tell: (line) => world.tell(() => `${begun.label.padEnd(12)} ${line}`),
        defect: (line) => this.#violations.report("defect", `${begun.label} logs an error: ${line}`),
      }),
      named: (name) => this.#lives.get(name)?.process,
      anyReplica: () => this.#any("scheduler"),
    };
  }

  /** Some process of a kind, also one that is gone: who calls does not know that. */
  #any(kind: ProcessKind): SimulatedProcess | undefined {
    const some = [...this.#lives.values()].map((life) => life.process).filter((each) => each.kind === kind);
    return some.length === 0 ? undefined : this.#world.random.pick(some);
  }

  /** Ends a life; starts the next one after a while, unless there is one. */
  #end(ended: SimulatedProcess, againAfterMs: number): void {
    if (ended.isDead) return;
    ended.isDead = true;
    this.#network.withdraw(ended);
    this.#world.tell(() => `${ended.label.padEnd(12)} is dead`);
    if (this.#lives.get(ended.name)?.process !== ended) return;
    this.#world.after(againAfterMs, () => {
      if (this.#lives.get(ended.name)?.process === ended) this.#start(ended.kind, ended.name);
    });
  }

  #upset(upset: Upset): void {
    const world = this.#world;
    if (this.#isCalm) return;
    world.tell(() => `UPSET        ${JSON.stringify(upset)}`);
    switch (upset.kind) {
      case "broker_flushed":
        this.#brokerServer.flush();
        return;
      case "broker_stale":
        this.#brokerServer.goBack(upset.byMs).catch((error: unknown) => world.stop(error as Error));
        return;
      case "broker_down":
        this.#brokerServer.setDown(true);
        world.after(upset.forMs, () => this.#brokerServer.setDown(false));
        return;
      case "database_down":
        this.#postgres.stop();
        world.after(upset.forMs, () => this.#postgres.start());
        return;
      default:
        this.#upsetProcess(upset);
    }
  }

  #upsetProcess({ kind, name, forMs }: Extract<Upset, { readonly name: string }>): void {
    const world = this.#world;
    const life = this.#lives.get(name);
    if (life === undefined || life.process.isDead || life.process.isPaused) return;
    const upset = life.process;
    switch (kind) {
      case "crash":
        this.#end(upset, forMs);
        return;
      case "stop":
        this.#stop(life, forMs);
        return;
      case "cut":
        upset.isCutOff = true;
        world.after(forMs, () => {
          upset.isCutOff = false;
        });
        return;
      case "pause":
      case "replace":
        world.pause(upset);
        world.after(forMs, () => this.#resume(upset));
        if (kind === "replace") this.#start(upset.kind, upset.name);
    }
  }

  #resume(paused: SimulatedProcess): void {
    if (!paused.isPaused) return;
    this.#world.tell(() => `${paused.label.padEnd(12)} goes on`);
    this.#work.resumed(paused);
    this.#world.resume(paused);
  }

  #stop(
    life: { readonly process: SimulatedProcess; readonly running: AsyncDisposable | undefined },
    forMs: number,
  ): void {
    const { process: stopped, running } = life;
    if (running === undefined) {
      this.#end(stopped, forMs);
      return;
    }
    this.#work.stopping(stopped);
    this.#world.after(
      0,
      () => {
        running[Symbol.asyncDispose]().then(
          () => this.#end(stopped, forMs),
          (error: unknown) => this.#unheard(error),
        );
      },
      stopped,
    );
  }

  #calmDown(): void {
    this.#isCalm = true;
    this.#world.tell(() => "CALM         nothing fails from here on");
    calm(this.#chances);
    this.#brokerServer.setDown(false);
    this.#postgres.start();
    for (const { process: each } of this.#lives.values()) {
      each.isCutOff = false;
      this.#resume(each);
      if (each.isDead && each.kind !== "client") this.#start(each.kind, each.name);
    }
  }

  #lookForTheEnd(): void {
    this.#world.after(lookMs, () => {
      this.#lookForTheEnd();
      if (!this.#isCalm) return;
      const { calmAtMs } = this.#scenario;
      this.#leftOver().then(
        (left) => {
          const isStuck = this.#world.nowMs - Math.max(this.#ledger.committedAtMs, calmAtMs) > stuckMs;
          if (left === undefined || isStuck) this.#world.stop();
        },
        (error: unknown) => this.#world.stop(error as Error),
      );
    });
  }

  /** What has not come to its end; undefined when all has. */
  async #leftOver(): Promise<string | undefined> {
    for (const run of this.#ledger.runs.values()) {
      if (isFinalRun(run.state)) continue;
      const open = run.tasks.map((task) => `${run.plan.nodes[task.node]?.id}#${task.attempt} ${task.state}`);
      return `run ${run.runId} is ${run.state}: ${open.join(", ")}`;
    }
    if (this.#clients.waiting !== undefined) return this.#clients.waiting;
    const missing = this.#transcripts.missing();
    if (missing !== undefined) return missing;
    for (const prefix of [workPrefix, reportPrefix, controlPrefix, transcriptPrefix, asideStream]) {
      const [first] = await this.#brokerServer.contents(prefix);
      if (first !== undefined) return `${first[1].length} entries are left in ${first[0]}`;
    }
    return undefined;
  }

  async #judge(): Promise<void> {
    if (this.#violations.first !== undefined) return;
    const left = await this.#leftOver();
    if (left !== undefined) this.#violations.report("never ends", left);
    else this.#transcripts.compare();
  }
}
