/*
 * Applies the orders of owners to the attempts that they name.
 *
 *   G1. An order of a lower epoch than was seen for its partition comes from an
 *       owner that lost the partition, and is ignored.
 *   G2. An order about an attempt that is not held is ignored: the attempt was
 *       forgotten, or belongs to a former process.
 *   G3. Orders of the worker's stream and of answers to heartbeats are the same,
 *       and may overtake each other; attempts bear that.
 */
import type { Control } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Attempt } from "./attempt.ts";

export interface Findable {
  readonly find: (at: { readonly taskId: string; readonly attempt: number }) => Attempt | undefined;
}

export class ControlGate {
  readonly #attempts: Findable;
  readonly #log: Logger;
  readonly #epochs = new Map<number, bigint>();

  constructor({ attempts, log }: { readonly attempts: Findable; readonly log: Logger }) {
    this.#attempts = attempts;
    this.#log = log;
  }

  apply(control: Control): void {
    const { partition, epoch, taskId, attempt: number } = control;
    if (epoch < (this.#epochs.get(partition) ?? 0n)) return;
    this.#epochs.set(partition, epoch);
    const attempt = this.#attempts.find({ taskId, attempt: number });
    if (attempt === undefined) return;
    const { order } = control;
    switch (order.case) {
      case "granted":
        attempt.grant(order.value.leaseToken);
        return;
      case "confirmed":
        attempt.confirm(order.value.upTo);
        return;
      case "answered":
        attempt.answer(order.value);
        return;
      case "cancelRequested":
        attempt.cancel();
        return;
      case "leaseLost":
        this.#log.info({ taskId, attempt: number }, "lease lost");
        attempt.abandon("lost");
        return;
      case undefined:
        this.#log.warn({ taskId, attempt: number }, "order not understood");
    }
  }
}
