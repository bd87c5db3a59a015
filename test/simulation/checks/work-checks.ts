/*
 * What is checked about workers: who may be at work, for how long, and what must
 * not be forgotten.
 */
import type { Assignment } from "../../../gen/antiphon/worker/v1/assignment_pb.ts";
import type {
  HeartbeatRequest,
  HeartbeatResponse,
} from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import type { Ledger, LedgerAttempt } from "./ledger.ts";
import type { Violations } from "./violations.ts";

/** How long a process that went on after a pause may take to notice that its leases are over. */
const wakeUpMs = 2_000;

interface AtWork {
  readonly process: SimulatedProcess;
  readonly attempt: number;
}

export class WorkChecks {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #violations: Violations;
  readonly #leaseMs: number;
  readonly #marginMs: number;
  /** Who carries a task out that needs a lease, by task. */
  readonly #atWork = new Map<string, Set<AtWork>>();
  /** Until when a worker believes to hold an attempt, by the world's clock. */
  readonly #heldUntilMs = new Map<string, number>();
  /** Handlers that are done with an attempt of which history has to learn. */
  readonly #finished = new Map<SimulatedProcess, Set<Assignment>>();
  readonly #tokens = new Map<Assignment, string>();
  /** Which processes have called themselves what. */
  readonly #incarnations = new Map<string, SimulatedProcess>();
  readonly #stopping = new Set<SimulatedProcess>();
  readonly #resumedMs = new Map<SimulatedProcess, number>();

  constructor({
    world,
    ledger,
    violations,
    leaseMs,
    marginMs,
  }: {
    readonly world: World;
    readonly ledger: Ledger;
    readonly violations: Violations;
    readonly leaseMs: number;
    readonly marginMs: number;
  }) {
    this.#world = world;
    this.#ledger = ledger;
    this.#violations = violations;
    this.#leaseMs = leaseMs;
    this.#marginMs = marginMs;
  }

  /** A leased handler begins; answers what to call when it is done, with whether its outcome counts. */
  started(process: SimulatedProcess, assignment: Assignment, leaseToken: string): (counts: boolean) => void {
    const { taskId, attempt } = assignment;
    const at = `${taskId}#${attempt}`;
    if (this.#ledger.attempt(taskId, attempt)?.lease?.token !== leaseToken) {
      this.#violations.report(
        "started without lease",
        `${process.label} starts ${at}, which it does not hold`,
      );
    }
    const others = this.#atWork.get(taskId) ?? new Set();
    for (const other of others) {
      // Of two processes with one id, the one that was replaced is told with its next heartbeat.
      if (!this.#isAwake(other.process) || other.process.name === process.name) continue;
      const message = `${process.label} starts ${at}, and ${other.process.label} is still at work on attempt ${other.attempt}`;
      this.#violations.report("two holders", message);
    }
    const own: AtWork = { process, attempt };
    this.#atWork.set(taskId, others.add(own));
    this.#world.tell(() => `${process.label.padEnd(12)} starts ${at}`);
    return (counts) => {
      others.delete(own);
      this.#world.tell(() => `${process.label.padEnd(12)} is done with ${at}${counts ? "" : ", in vain"}`);
      if (counts) this.finished(process, assignment, leaseToken);
    };
  }

  /** A handler is done with an attempt, and its worker owes history the outcome. */
  finished(process: SimulatedProcess, assignment: Assignment, leaseToken: string): void {
    const owed = this.#finished.get(process) ?? new Set();
    this.#finished.set(process, owed.add(assignment));
    this.#tokens.set(assignment, leaseToken);
  }

  /** Whether the process of an incarnation is there, and neither was told to end nor has another in its place. */
  isFaithful(incarnation: string): boolean {
    const process = this.#incarnations.get(incarnation);
    if (process === undefined || process.isDead || this.#stopping.has(process)) return false;
    return !this.#isReplaced(process);
  }

  /** A worker is told to end, and may leave what it holds to others. */
  stopping(process: SimulatedProcess): void {
    this.#finished.delete(process);
    this.#stopping.add(process);
  }

  resumed(process: SimulatedProcess): void {
    this.#resumedMs.set(process, this.#world.nowMs);
  }

  /** A heartbeat is sent. */
  beats(process: SimulatedProcess, { attempts, incarnation }: HeartbeatRequest): void {
    this.#incarnations.set(incarnation, process);
    const named = new Set(attempts.map(({ taskId, attempt }) => `${taskId}#${attempt}`));
    for (const assignment of this.#finished.get(process) ?? []) {
      const { runId, nodeId, taskId, attempt } = assignment;
      if (named.has(`${taskId}#${attempt}`)) continue;
      this.#finished.get(process)?.delete(assignment);
      const token = this.#tokens.get(assignment) ?? "";
      if (this.#ledger.isOver({ runId, nodeId, taskId, attempt, token })) continue;
      // What needs a lease is given up with it.
      const heldUntilMs = this.#heldUntilMs.get(`${incarnation} ${taskId}#${attempt}`) ?? 0;
      if (assignment.handler === "program" && heldUntilMs <= this.#world.nowMs) continue;
      const message = `${process.label} names ${taskId}#${attempt} no more, and history does not know its end`;
      this.#violations.report("report forgotten", message);
    }
  }

  /** A heartbeat is answered. */
  heard(
    process: SimulatedProcess,
    { incarnation }: HeartbeatRequest,
    { renewed }: HeartbeatResponse,
    sentMs: number,
  ): void {
    for (const { taskId, attempt } of renewed) {
      const lapsedAtMs = this.#ledger.attempt(taskId, attempt)?.lapsedAtMs;
      if (lapsedAtMs !== undefined && lapsedAtMs < sentMs) {
        const message = `${process.label} is told that it holds ${taskId}#${attempt}, which lapsed before it asked`;
        this.#violations.report("stale answer", message);
      }
      this.#heldUntilMs.set(
        `${incarnation} ${taskId}#${attempt}`,
        sentMs + (this.#leaseMs - this.#marginMs) / process.clockRate,
      );
    }
  }

  /** A lease lapsed in history. */
  lapsed({ taskId, attempt }: LedgerAttempt, incarnation: string, workerId: string): void {
    const process = this.#incarnations.get(incarnation);
    const untilMs = this.#heldUntilMs.get(`${incarnation} ${taskId}#${attempt}`) ?? 0;
    if (process === undefined || process.isDead || untilMs <= this.#world.nowMs) return;
    if (this.#isReplaced(process)) return;
    const message = `${taskId}#${attempt} of ${workerId} lapses ${Math.round(untilMs - this.#world.nowMs)} ms before it ends for its holder`;
    this.#violations.report("lease ended early", message);
  }

  /** Whether another process may have registered under its id: that ends its leases, and it is told with its next heartbeat. */
  #isReplaced(process: SimulatedProcess): boolean {
    return [...this.#incarnations.values()].some(
      (other) =>
        other.name === process.name && other !== process && (other.life > process.life || !other.isDead),
    );
  }

  /** Whether a process runs, and has had time to notice what happened while it did not. */
  #isAwake(process: SimulatedProcess): boolean {
    if (process.isDead || process.isPaused) return false;
    return this.#world.nowMs - (this.#resumedMs.get(process) ?? -wakeUpMs) >= wakeUpMs;
  }
}
