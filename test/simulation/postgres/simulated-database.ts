import type { Batch } from "../../../services/scheduler/history-store.ts";
import type { Chunk } from "../../../services/taskio/transcript-store.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { SimulatedPostgres, Statement } from "./simulated-postgres.ts";

/** Who is told of what was committed, in the moment of the commit. */
export interface CommitWatcher {
  committed(batch: Batch, by: SimulatedProcess): void;
  archived(chunks: readonly Chunk[]): void;
  /** Somebody asks for what is not modelled. */
  unmodelled(by: SimulatedProcess): void;
}

/** Postgres as one process reaches it: what the stores of this folder are given as their database. */
export class SimulatedDatabase {
  readonly process: SimulatedProcess;
  readonly watcher: CommitWatcher;
  readonly #postgres: SimulatedPostgres;

  constructor({
    postgres,
    process,
    watcher,
  }: {
    readonly postgres: SimulatedPostgres;
    readonly process: SimulatedProcess;
    readonly watcher: CommitWatcher;
  }) {
    this.#postgres = postgres;
    this.process = process;
    this.watcher = watcher;
  }

  /** The clock of Postgres, in milliseconds since the world began. */
  get nowMs(): number {
    return this.#postgres.nowMs;
  }

  async carryOut<Result, Snapshot>(statement: Statement<Result, Snapshot>): Promise<Result> {
    return await this.#postgres.carryOut(this.process, statement);
  }

  /** A statement that is not written as one of the simulated stores. */
  async query(): Promise<never> {
    this.watcher.unmodelled(this.process);
    throw new Error("the simulation has no model of this statement");
  }

  async ping(): Promise<void> {
    await this.carryOut({ name: "ping", begin: () => undefined });
  }
}
