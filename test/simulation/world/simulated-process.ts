import type { WorldEvent } from "./event-queue.ts";

/** What kind of process it is. */
export type ProcessKind = "scheduler" | "worker" | "taskio" | "client";

/**
 * One life of one process. What is started again after a crash is another
 * object, so whatever still refers to this one is dead for ever.
 */
export class SimulatedProcess {
  readonly kind: ProcessKind;
  /** The same after a restart: `scheduler-1`. */
  readonly name: string;
  /** Which life of this name it is, from 1. */
  readonly life: number;
  readonly startedMs: number;
  /** How fast its monotonic clock goes: 1 is right. */
  readonly clockRate: number;
  /** What its wall clock is ahead of the world's. */
  readonly wallSkewMs: number;
  /** Nothing of it runs from here on. */
  isDead = false;
  /** Stopped as by SIGSTOP: what would happen waits in `backlog`. */
  isPaused = false;
  /** Neither calls nor the broker's answers pass while it is cut off. */
  isCutOff = false;
  readonly backlog: WorldEvent[] = [];

  constructor({
    kind,
    name,
    life,
    startedMs,
    clockRate,
    wallSkewMs,
  }: Pick<SimulatedProcess, "kind" | "name" | "life" | "startedMs" | "clockRate" | "wallSkewMs">) {
    this.kind = kind;
    this.name = name;
    this.life = life;
    this.startedMs = startedMs;
    this.clockRate = clockRate;
    this.wallSkewMs = wallSkewMs;
  }

  /** For the story: its name and life. */
  get label(): string {
    return this.life === 1 ? this.name : `${this.name}'${this.life}`;
  }
}
