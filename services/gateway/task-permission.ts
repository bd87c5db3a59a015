import { z } from "zod";
import type { Secret } from "../../lib/config/env.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { askJson } from "../../lib/http/ask-json.ts";
import type { Caller } from "../../lib/rpc/authenticate.ts";

/** A service of the operator's that says whether a user may submit another task. */
export interface TaskPermissionSettings {
  readonly url: string;
  /** Sent along, so that the service knows who asks. */
  readonly secret: Secret | undefined;
}

const answerTimeoutMs = 10_000;

const denial = z.object({ reason: z.string().min(1).max(1_000) });

/**
 * Asks the operator's service, as the Waldiez runner does, before a task of a user
 * that another issuer vouches for is made. Clients of our own are not asked about;
 * nobody is without a service.
 *
 * What it answers rejects with NOT_PERMITTED and the reason that the service gives,
 * or with SERVICE_UNAVAILABLE when that says neither yes nor no.
 */
export function taskPermission(
  settings: TaskPermissionSettings | undefined,
): (caller: Pick<Caller, "externalSubject">) => Promise<void> {
  return async ({ externalSubject }) => {
    if (settings === undefined || externalSubject === undefined) return;
    const url = new URL(settings.url);
    url.searchParams.set("user_id", externalSubject);
    const headers = settings.secret && { "x-runner-secret-key": settings.secret() };
    const { status, body } = await askJson(url, {
      ...(headers && { headers }),
      timeoutMs: answerTimeoutMs,
    }).catch((cause: unknown) => {
      throw unanswered(cause);
    });
    if (status === 200) return;
    if (status !== 429) throw unanswered(new Error(`it answers ${status}`));
    const { reason = "no more tasks are permitted at the moment" } = denial.safeParse(body).data ?? {};
    throw new DomainError("NOT_PERMITTED", reason);
  };
}

function unanswered(cause: unknown): DomainError {
  const message = "the service that permits tasks does not answer";
  return new DomainError("SERVICE_UNAVAILABLE", message, {}, { cause });
}
