/*
 * Postgres as far as its promises go that ours rest on (READ COMMITTED):
 *
 *   G1. A statement sees what was committed when it began; of rows that it locks,
 *       what was committed when it had the lock.
 *   G2. All that a statement writes is there at once, or never. Its locks are
 *       held until then.
 *   G3. Whoever loses a connection knows nothing: the statement may have been
 *       committed, may never be, or may be committed later.
 */
import { DatabaseError } from "../../../lib/postgres/errors.ts";
import { type Chances, latency } from "../scenario/chances.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import { type LockRequest, PartitionLocks } from "./partition-locks.ts";
import type { Tables } from "./tables.ts";

/** One statement. `Snapshot` is what it read before it waited for its locks. */
export interface Statement<Result, Snapshot> {
  /** For the story. */
  readonly name: string;
  readonly locks?: LockRequest;
  /** What it reads when it begins; answers for a statement that only reads. */
  readonly begin: (tables: Tables) => Snapshot;
  /** What it does at its commit. Throws what Postgres refuses it with; then it has done nothing. */
  readonly commit?: (tables: Tables, snapshot: Snapshot) => Result;
}

/** The bounds of how late a statement may reach Postgres whose caller has given up. */
const lateMs = { low: 100, high: 6_000 };

/** How long a statement may take whose outcome its caller never learns. */
const slowestMs = 300;

export class SimulatedPostgres {
  readonly tables: Tables;
  readonly #world: World;
  readonly #chances: Chances;
  readonly #locks = new PartitionLocks();
  /** Statements that have not committed yet, by how to undo them. */
  readonly #underway = new Set<() => void>();
  #isDown = false;

  constructor({
    world,
    chances,
    tables,
  }: { readonly world: World; readonly chances: Chances; readonly tables: Tables }) {
    this.#world = world;
    this.#chances = chances;
    this.tables = tables;
  }

  /** Its clock. */
  get nowMs(): number {
    return this.#world.nowMs;
  }

  /** Goes down: what has not been committed never will be. */
  stop(): void {
    this.#isDown = true;
    for (const undo of this.#underway) undo();
  }

  /** Comes back. */
  start(): void {
    this.#isDown = false;
  }

  /** Carries a statement out for a process. Rejects with a `DatabaseError`. */
  async carryOut<Result, Snapshot>(
    process: SimulatedProcess,
    statement: Statement<Result, Snapshot>,
  ): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const world = this.#world;
    const chances = this.#chances;
    const travel = () => latency(world.random, chances, { low: 0.05, high: 1 });
    const tell = (outcome: string) =>
      world.tell(() => `postgres     ${statement.name} of ${process.label}: ${outcome}`);
    const answer = (settle: () => void) => world.after(travel(), settle, process);
    const lose = (delayMs: number) =>
      world.after(delayMs, () => reject(connectionLost("statement")), process);

    if (this.#isDown || process.isCutOff || world.random.chance(chances.statementRefused)) {
      tell("not connected");
      world.after(travel(), () => reject(connectionLost("connect")), process);
      return await promise;
    }
    const isUnknown = world.random.chance(chances.statementUnknown);
    const isLate = world.random.chance(chances.statementLate);
    const isAborted = world.random.chance(chances.statementAborted);
    if (isUnknown || isLate) lose(world.random.between(0, 20));
    const arriveMs = isLate ? world.random.between(lateMs.low, lateMs.high) : travel();
    world.after(arriveMs, () => {
      if (this.#isDown) {
        lose(0);
        return;
      }
      const snapshot = statement.begin(this.tables);
      if (statement.commit === undefined) {
        // A statement that only reads answers what it saw when it began.
        if (isUnknown || isLate) return;
        if (isAborted) lose(travel());
        else answer(() => resolve(snapshot as unknown as Result));
        return;
      }
      const { commit, locks = { mode: "share", partitions: [] } } = statement;
      const undo = (): void => {
        this.#underway.delete(undo);
        release();
        tell("rolled back");
        lose(travel());
      };
      this.#underway.add(undo);
      // A server that forgot to answer may have been slow before.
      const workMs = isUnknown ? world.random.between(0, slowestMs) : travel();
      const release = this.#locks.take(locks, () => {
        world.after(workMs, () => {
          if (!this.#underway.has(undo)) return;
          if (isAborted) {
            undo();
            return;
          }
          this.#underway.delete(undo);
          try {
            const result = commit(this.tables, snapshot);
            if (isUnknown || isLate) tell("committed, outcome unknown to its caller");
            else if (locks.mode === "exclusive") tell(`committed: ${JSON.stringify(result)}`);
            answer(() => resolve(result));
          } catch (error) {
            answer(() => reject(error));
          }
          release();
        });
      });
    });
    return await promise;
  }
}

function connectionLost(phase: "connect" | "statement"): DatabaseError {
  const code = phase === "connect" ? "ECONNREFUSED" : "CONNECTION_CLOSED";
  return new DatabaseError("the connection was lost", { code, phase });
}
