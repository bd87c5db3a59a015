/*
 * How often who may do what, in this process. Loopback is an address as any other.
 *
 *   R1. Credentials are tried so often from one network, before anything of the
 *       request is read: guessing is slow, and nobody makes auth compute digests
 *       without end.
 *   R2. They are tried so often in the name of one client, wherever from. Anybody
 *       may name a client, so this limit has to be above that of one network: else
 *       whoever knows a client's id would keep it out from a single place.
 *   R3. A client changes so much, and all that come from one network do together.
 *       What they read, and what workers report, is not counted. What its client's
 *       limit refuses does not count for the network.
 *   R4. Memory is bounded: the caller that was longest not seen is forgotten, which
 *       gives it a full allowance again; and names that nobody has checked are kept
 *       as digests, however long they are.
 */
import { createHash } from "node:crypto";
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

/** Limits that hold both. */
export interface CallerRates {
  readonly perNetwork: Rate;
  readonly perClient: Rate;
}

export interface RateLimitSettings {
  /** For attempts at credentials. */
  readonly logins: CallerRates;
  /** For calls that change something. */
  readonly changes: CallerRates;
}

const rememberedCallers = 100_000;

/** Counts calls. */
export class RateLimits {
  readonly #logins: Counters;
  readonly #changes: Counters;

  /** `nowMs` is a monotonic clock. */
  constructor({ logins, changes }: RateLimitSettings, nowMs = () => performance.now()) {
    this.#logins = countersOf(logins, nowMs);
    this.#changes = countersOf(changes, nowMs);
  }

  /** Counts an attempt to get, use up or ask about a token without one, by where it comes from (R1). Throws RATE_LIMITED. */
  takeLogin(address: string): void {
    const waitMs = this.#logins.perNetwork.take(callerNetwork(address));
    if (waitMs > 0) throw limited(`too many attempts from ${address}`, waitMs);
  }

  /** Counts the same attempt by the client that it names, which may be none of ours (R2). Throws RATE_LIMITED. */
  takeLoginAs(clientId: string): void {
    const waitMs = this.#logins.perClient.take(createHash("sha256").update(clientId).digest("base64"));
    if (waitMs > 0) throw limited("too many attempts in the name of this client", waitMs);
  }

  /** Counts a call that its caller may make (R3). Throws RATE_LIMITED. */
  takeChange({ clientId }: Pick<Caller, "clientId">, access: Access, address: string): void {
    if (!changesSomething(access)) return;
    const clientWaitMs = this.#changes.perClient.take(clientId);
    if (clientWaitMs > 0) throw limited(`the client ${clientId} changes too much at once`, clientWaitMs);
    const networkWaitMs = this.#changes.perNetwork.take(callerNetwork(address));
    if (networkWaitMs > 0) throw limited(`too much is changed at once from ${address}`, networkWaitMs);
  }
}

/** Whether a call by this rule changes something in somebody's name. */
export function changesSomething(access: Access): boolean {
  return access !== "open" && (access.scope === "write" || access.scope === "answer");
}

interface Counters {
  readonly perNetwork: Counter;
  readonly perClient: Counter;
}

function countersOf({ perNetwork, perClient }: CallerRates, nowMs: () => number): Counters {
  return { perNetwork: new Counter(perNetwork, nowMs), perClient: new Counter(perClient, nowMs) };
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
