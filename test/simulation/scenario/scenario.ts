/*
 * What a seed stands for: which processes there are, what clients ask for, and
 * what goes wrong. Drawn before anything happens, and apart from what happens.
 */

import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { Random } from "../world/random.ts";
import { type Chances, drawnChances } from "./chances.ts";
import { drawnUpsets, type Upset } from "./upsets.ts";
import { drawnWorkflow, type SimulatedWorkflow } from "./workflows.ts";

/** A run that a client wants. */
export interface Wish {
  readonly clientId: string;
  readonly atMs: number;
  readonly workflow: SimulatedWorkflow;
  readonly requestId: string;
  /** After how long the same request is sent again although it may have been answered. */
  readonly againAfterMs: readonly number[];
  /** After how long somebody cancels the run. */
  readonly cancelAfterMs: number | undefined;
  /** Whether it is held first, and for how long. */
  readonly holdMs: number | undefined;
  /** After how long it is paused, and for how long. */
  readonly pause: { readonly afterMs: number; readonly forMs: number } | undefined;
  /** How it is repeated when it has ended. */
  readonly rerun: { readonly fromFailed: boolean; readonly requestId: string } | undefined;
}

/** How people answer prompts. */
export interface Answering {
  /** How long after it was asked. */
  readonly afterMs: { readonly low: number; readonly high: number };
  /** How likely two people answer differently at about the same time. */
  readonly twice: number;
  /** How likely the same request is sent again. */
  readonly again: number;
}

export interface Scenario {
  readonly partitions: readonly number[];
  readonly replicas: number;
  readonly workers: readonly { readonly slots: number; readonly programSlots: number }[];
  readonly taskios: number;
  readonly wishes: readonly Wish[];
  readonly answering: Answering;
  readonly upsets: readonly Upset[];
  readonly chances: Chances;
  /** From when on nothing fails any more. */
  readonly calmAtMs: number;
}

/** The scenario of a seed. */
export function scenarioOf(seed: number): Scenario {
  const random = new Random(seed, "scenario");
  const partitions = Array.from({ length: random.whole(1, 3) }, (_, index) => index * 17 + 5);
  const replicas = random.pick([1, 2, 2, 3]);
  const workers = Array.from({ length: random.whole(1, 3) }, () => ({
    slots: random.whole(1, 4),
    programSlots: random.whole(1, 3),
  }));
  const taskios = random.pick([1, 1, 2]);
  const calmAtMs = random.between(4_000, 20_000);
  const wishes = Array.from({ length: random.whole(1, 4) }, (_, index): Wish => {
    const clientId = `client-${random.whole(1, 2)}`;
    return {
      clientId,
      atMs: random.between(0, calmAtMs * 0.7),
      workflow: drawnWorkflow(random, `workflow-${index}`),
      requestId: requestIdIn(partitions, clientId, random),
      againAfterMs: random.chance(0.4) ? [random.between(0, 5_000)] : [],
      cancelAfterMs: random.chance(0.2) ? random.between(10, 12_000) : undefined,
      holdMs: random.chance(0.1) ? random.between(10, 3_000) : undefined,
      pause: random.chance(0.15)
        ? { afterMs: random.between(10, 6_000), forMs: random.between(10, 6_000) }
        : undefined,
      rerun: random.chance(0.12)
        ? { fromFailed: random.chance(0.5), requestId: requestIdIn(partitions, clientId, random) }
        : undefined,
    };
  });
  const answering = {
    afterMs: { low: random.between(1, 300), high: random.between(300, 6_000) },
    twice: random.chance(0.5) ? 0.5 : 0,
    again: random.chance(0.5) ? 0.5 : 0,
  };
  const names = {
    scheduler: Array.from({ length: replicas }, (_, index) => `scheduler-${index + 1}`),
    worker: workers.map((_, index) => `worker-${index + 1}`),
    taskio: Array.from({ length: taskios }, (_, index) => `taskio-${index + 1}`),
  };
  const upsets = drawnUpsets(random, names, calmAtMs);
  const chances = drawnChances(random);
  return { partitions, replicas, workers, taskios, wishes, answering, upsets, chances, calmAtMs };
}

/** A request id whose run lies in one of these partitions. */
function requestIdIn(partitions: readonly number[], clientId: string, random: Random): string {
  for (;;) {
    const requestId = random.uuid();
    if (partitions.includes(partitionOf(derivedUuid("run", clientId, requestId)))) return requestId;
  }
}
