import { type CpuInfo, cpus, freemem, totalmem } from "node:os";

/** How busy the machine is that this process runs on. */
export interface MachineStatus {
  readonly cpuCount: number;
  /** From 0 to 100, over the time between the last two samples. */
  readonly cpuPercent: number;
  /** In bytes. */
  readonly totalMemory: number;
  /** In bytes; what could be freed at once is not counted. */
  readonly usedMemory: number;
}

/** What processors did since the machine started, all together, in milliseconds. */
interface ProcessorTimes {
  readonly busyMs: number;
  readonly idleMs: number;
}

/** Measures how busy the processors are between one sample and the next; before the first, since the machine started. */
export class MachineLoad {
  #sampled: ProcessorTimes = { busyMs: 0, idleMs: 0 };
  #percent: number | undefined;

  /** To be called from time to time. */
  sample(): void {
    const times = timesOf(cpus());
    this.#percent = busyPercent(this.#sampled, times);
    this.#sampled = times;
  }

  status(): MachineStatus {
    if (this.#percent === undefined) this.sample();
    const totalMemory = totalmem();
    return {
      cpuCount: cpus().length,
      cpuPercent: this.#percent ?? 0,
      totalMemory,
      usedMemory: totalMemory - freemem(),
    };
  }
}

/** How busy processors were between two samples, from 0 to 100; 0 when no time went by. */
export function busyPercent(before: ProcessorTimes, after: ProcessorTimes): number {
  const busyMs = after.busyMs - before.busyMs;
  const allMs = busyMs + after.idleMs - before.idleMs;
  // Counters of a virtual machine may go back.
  return allMs <= 0 ? 0 : Math.min(100, Math.max(0, (100 * busyMs) / allMs));
}

function timesOf(processors: readonly CpuInfo[]): ProcessorTimes {
  const sum = (of: (times: CpuInfo["times"]) => number) =>
    processors.reduce((total, { times }) => total + of(times), 0);
  return {
    busyMs: sum(({ user, nice, sys, irq }) => user + nice + sys + irq),
    idleMs: sum(({ idle }) => idle),
  };
}
