/*
 * Bounds what all calls of this process keep in memory of what their callers sent:
 * bodies and fields as they came, and files that are read whole.
 *
 *   B1. Together they hold `maxBytes` at most, and those of one client half of that,
 *       so that nobody alone shuts the others out.
 *   B2. Bytes are held before they are read.
 *   B3. What a call holds is given back once, when it ends, however it ends; after
 *       that it holds nothing more.
 */
import { DomainError } from "../../../lib/errors/domain-error.ts";

/** What is small enough to be read without being held, in bytes; how many calls there are is bounded elsewhere. */
export const smallBytes = 64 * 1024;

/** When who was refused may try again, in milliseconds; most calls are over by then. */
const retryAfterMs = 2_000;

/**
 * Holds so many bytes more for one call, up to its end. Throws a DomainError, and
 * holds nothing, when there is no room: TOO_MANY_CALLS where its client holds too
 * much, SERVICE_UNAVAILABLE where all together do.
 */
export type HoldBytes = (bytes: number) => void;

/** What one call holds. Disposed of when the call ends. */
export interface CallBytes extends Disposable {
  readonly hold: HoldBytes;
}

export class ByteBudget {
  readonly #maxBytes: number;
  #held = 0;
  /** What the calls of each client hold that hold anything. */
  readonly #heldBy = new Map<string, number>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Begins a call of a client, which holds nothing yet. */
  begin(clientId: string): CallBytes {
    let held = 0;
    let isOver = false;
    return {
      hold: (bytes) => {
        if (isOver) throw new Error("the call is over");
        this.#hold(clientId, bytes);
        held += bytes;
      },
      [Symbol.dispose]: () => {
        isOver = true;
        this.#add(clientId, -held);
        held = 0;
      },
    };
  }

  #hold(clientId: string, bytes: number): void {
    if ((this.#heldBy.get(clientId) ?? 0) + bytes > this.#maxBytes / 2)
      throw refusal("TOO_MANY_CALLS", "too much of what this client sent is being worked on");
    if (this.#held + bytes > this.#maxBytes)
      throw refusal("SERVICE_UNAVAILABLE", "too much of what clients sent is being worked on");
    this.#add(clientId, bytes);
  }

  #add(clientId: string, change: number): void {
    this.#held += change;
    const held = (this.#heldBy.get(clientId) ?? 0) + change;
    if (held === 0) this.#heldBy.delete(clientId);
    else this.#heldBy.set(clientId, held);
  }
}

function refusal(reason: "TOO_MANY_CALLS" | "SERVICE_UNAVAILABLE", message: string): DomainError {
  return new DomainError(reason, message, {}, { retryAfterMs });
}
