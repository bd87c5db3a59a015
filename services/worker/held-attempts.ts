/*
 * All attempts that this worker took and has not forgotten.
 *
 *   H1. An attempt stands here once, however often it is handed out.
 *   H2. An attempt uses a slot of its handler's kind from being taken until its
 *       handler is done, and a place here until it is forgotten: when owners
 *       confirm nothing, taking stops at `places`.
 */
import type { Assignment } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { Bell } from "../../lib/async/bell.ts";
import { Attempt, type AttemptHost } from "./attempt.ts";
import type { Handler } from "./handlers/handler.ts";
import { Slots } from "./slots.ts";

export interface HeldAttemptsOptions {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly host: Omit<AttemptHost, "over" | "forgotten">;
  /** How many attempts of each kind are carried out at once. */
  readonly slots: number;
  readonly callSlots: number;
  readonly programSlots: number;
  /** How many attempts are held at most, also those that are over and wait for confirmation. */
  readonly places: number;
}

export class HeldAttempts {
  readonly shortSlots: Slots;
  readonly callSlots: Slots;
  readonly programSlots: Slots;
  readonly places: Slots;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #host: AttemptHost;
  readonly #attempts = new Map<string, Attempt>();
  readonly #forgotten = new Bell();

  constructor({ handlers, host, slots, callSlots, programSlots, places }: HeldAttemptsOptions) {
    this.#handlers = handlers;
    this.shortSlots = new Slots(slots);
    this.callSlots = new Slots(callSlots);
    this.programSlots = new Slots(programSlots);
    this.places = new Slots(places);
    this.#host = {
      ...host,
      over: ({ assignment }) => this.#slotsOf(this.#handlerOf(assignment)).release(),
      forgotten: ({ assignment }) => {
        this.#attempts.delete(keyOf(assignment));
        this.places.release();
        this.#forgotten.ring();
      },
    };
  }

  get size(): number {
    return this.#attempts.size;
  }

  find(at: { readonly taskId: string; readonly attempt: number }): Attempt | undefined {
    return this.#attempts.get(keyOf(at));
  }

  [Symbol.iterator](): Iterator<Attempt> {
    return this.#attempts.values();
  }

  /** Begins an attempt, or does nothing when it is held already. `no_slot` when it is for a leased handler all of whose slots are used. */
  take(assignment: Assignment): "taken" | "held" | "no_slot" {
    if (this.#attempts.has(keyOf(assignment))) return "held";
    const handler = this.#handlerOf(assignment);
    const slots = this.#slotsOf(handler);
    if (handler.kind === "leased" && slots.free <= 0) return "no_slot";
    const attempt = new Attempt(assignment, this.#host);
    this.#attempts.set(keyOf(assignment), attempt);
    this.places.use();
    slots.use();
    attempt.begin(handler);
    return "taken";
  }

  /** Resolves when nothing is held, after `withinMs`, or when `signal` aborts. */
  async untilEmpty(withinMs: number, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const leftMs = untilMs - performance.now();
      if (this.#attempts.size === 0 || leftMs <= 0 || signal.aborted) return;
      await this.#forgotten.heard(signal, leftMs);
    }
  }

  #slotsOf(handler: Handler): Slots {
    if (handler.kind === "short") return this.shortSlots;
    return handler.slots === "call" ? this.callSlots : this.programSlots;
  }

  #handlerOf({ handler }: Assignment): Handler {
    return this.#handlers.get(handler) ?? unknownHandler;
  }
}

function keyOf({ taskId, attempt }: { readonly taskId: string; readonly attempt: number }): string {
  return `${taskId}#${attempt}`;
}

/** A stream brings only work that all its readers offer; what is here by mistake ends with the reason instead of waiting for ever. */
const unknownHandler: Handler = {
  kind: "short",
  run: ({ assignment }) => ({
    kind: "failed",
    reason: "HANDLER_FAILED",
    message: `the worker that took the task does not offer the handler ${assignment.handler}`,
  }),
};
