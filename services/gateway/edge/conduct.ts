import { Code, ConnectError } from "@connectrpc/connect";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { Access } from "../../../lib/rpc/access.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../http/http-refusal.ts";
import type { AuditLog } from "./audit-log.ts";
import { auditTarget } from "./audit-target.ts";
import { changesSomething, type RateLimits } from "./rate-limits.ts";

/** A call that a caller has been admitted to. */
export interface Act {
  /** The procedure, as `package.v1.Service/Method`, or the route, as `POST /path/:id`. */
  readonly action: string;
  readonly access: Access;
  readonly caller: Caller | undefined;
  readonly address: string;
  readonly requestId: string;
  /** Whether it is an attempt to get, use up or ask about a token; of those only the refused ones are taken down. */
  readonly isLogin: boolean;
}

/** What admitted callers do: how often they may, and what is taken down of it. */
export class Conduct {
  readonly #limits: RateLimits;
  readonly #audit: Pick<AuditLog, "write"> | undefined;

  constructor(limits: RateLimits, audit: Pick<AuditLog, "write"> | undefined) {
    this.#limits = limits;
    this.#audit = audit;
  }

  /**
   * Carries a call out, unless too much is changed at once by its client or from
   * its address, which rejects with RATE_LIMITED. An act that changes something, or a refused login, is taken
   * down with the ids in what it is `about`.
   */
  async carryOut<Answer>(
    act: Act,
    work: () => Promise<Answer>,
    about: (answer: Answer | undefined) => readonly unknown[],
  ): Promise<Answer> {
    if (!this.minds(act)) return await work();
    try {
      this.take(act);
      const answer = await work();
      if (!act.isLogin) this.note(act, "ok", about(answer));
      return answer;
    } catch (thrown) {
      this.note(act, outcomeOf(thrown), about(undefined));
      throw thrown;
    }
  }

  /** Whether an act is of the kind that is counted or taken down. */
  minds({ isLogin, access }: Act): boolean {
    return isLogin || changesSomething(access);
  }

  /** Counts an act. Throws RATE_LIMITED. */
  take({ caller, access, address }: Act): void {
    if (caller !== undefined) this.#limits.takeChange(caller, access, address);
  }

  /** Counts a login that names a client, before it is looked whether it is that. Throws RATE_LIMITED. */
  takeLoginAs(clientId: string): void {
    this.#limits.takeLoginAs(clientId);
  }

  /** Takes an act down. */
  note({ action, caller, address, requestId }: Act, outcome: string, about: readonly unknown[]): void {
    this.#audit?.write({
      at: new Date(),
      requestId,
      clientId: caller?.clientId,
      audience: caller?.audience,
      address,
      action,
      target: auditTarget(...about),
      outcome,
    });
  }
}

/** Why an act came to nothing, in one word. */
export function outcomeOf(thrown: unknown): string {
  if (thrown instanceof DomainError) return thrown.reason;
  if (thrown instanceof HttpRefusal) return thrown.reason ?? thrown.oauthError ?? String(thrown.status);
  const { reason, code } = fromConnectError(thrown);
  return reason ?? (thrown instanceof ConnectError ? Code[code].toUpperCase() : "INTERNAL");
}
