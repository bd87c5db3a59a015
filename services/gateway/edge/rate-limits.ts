/*
 * How often who may do what, in this process.
 *
 *   R1. Credentials are tried so often from one network: guessing is slow, and
 *       nobody makes auth compute digests without end.
 *   R2. A client changes so much; what it reads, and what workers report, is not
 *       counted.
 *   R3. Memory is bounded: the caller that was longest not seen is forgotten, which
 *       gives it a full allowance again.
 */
import { ShortMemory } from "../../../lib/async/short-memory.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { Access } from "../../../lib/rpc/access.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import { Allowance } from "../allowance.ts";
import { callerNetwork } from "./caller-address.ts";

/** So many at once, and so many in a second in the long run; none in a second is no limit. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export interface RateLimitSettings {
  /** For attempts at credentials, per network. */
  readonly logins: Rate;
  /** For calls that change something, per client. */
  readonly changes: Rate;
}

const rememberedCallers = 100_000;

/** Counts calls. */
export class RateLimits {
  readonly #logins: Counter;
  readonly #changes: Counter;

  /** `nowMs` is a monotonic clock. */
  constructor({ logins, changes }: RateLimitSettings, nowMs = () => performance.now()) {
    this.#logins = new Counter(logins, nowMs);
    this.#changes = new Counter(changes, nowMs);
  }

  /** Counts an attempt to get, use up or ask about a token without one (R1). Throws RATE_LIMITED. */
  takeLogin(address: string): void {
    const waitMs = this.#logins.take(callerNetwork(address));
    if (waitMs > 0) throw limited(`too many attempts from ${address}`, waitMs);
  }

  /** Counts a call that its caller may make (R2). Throws RATE_LIMITED. */
  takeChange({ clientId }: Pick<Caller, "clientId">, access: Access): void {
    if (!changesSomething(access)) return;
    const waitMs = this.#changes.take(clientId);
    if (waitMs > 0) throw limited(`the client ${clientId} changes too much at once`, waitMs);
  }
}

/** Whether a call by this rule changes something in somebody's name. */
export function changesSomething(access: Access): boolean {
  return access !== "open" && (access.scope === "write" || access.scope === "answer");
}

class Counter {
  readonly #rate: Rate;
  readonly #nowMs: () => number;
  readonly #callers: ShortMemory<Allowance>;

  constructor(rate: Rate, nowMs: () => number) {
    this.#rate = rate;
    this.#nowMs = nowMs;
    this.#callers = new ShortMemory(rememberedCallers, nowMs);
  }

  /** 0, or how long to wait until it may be tried again. */
  take(caller: string): number {
    const { burst, perSecond } = this.#rate;
    if (perSecond <= 0) return 0;
    const allowance = this.#callers.get(caller) ?? new Allowance(this.#rate, this.#nowMs);
    // By then it is full again, as a new one is.
    this.#callers.set(caller, allowance, (burst / perSecond) * 1_000);
    return allowance.take() ? 0 : allowance.waitMs();
  }
}

function limited(message: string, retryAfterMs: number): DomainError {
  return new DomainError("RATE_LIMITED", message, {}, { retryAfterMs });
}
