/*
 * Asks a service of the operator's whose a token is, as the Waldiez runner does.
 *
 *   H1. One question about a token at a time; whoever shows it meanwhile gets the
 *       same answer.
 *   H2. A yes is believed for `yesMs`, a no for `noMs`. An outage is no answer and
 *       not remembered.
 *   H3. Tokens are remembered by their digests, so none is in memory.
 *   H4. So many questions at once at most, so that a slow service holds no more.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { ShortMemory } from "../../../lib/async/short-memory.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { askJson, type JsonAnswer } from "../../../lib/http/ask-json.ts";
import type { VerifyHookSettings } from "./settings.ts";

/** Whose a token is. */
export interface HookUser {
  readonly userId: string;
  readonly isAdmin: boolean;
}

const answerTimeoutMs = 10_000;
const yesMs = 30_000;
const noMs = 5_000;
const rememberedTokens = 10_000;
const maxQuestions = 100;

/** The service's ways to say no; any other status but 200 is taken as an outage of it. */
const refusingStatuses = new Set([400, 401, 403, 404, 422]);

const userId = z.union([z.string().min(1).max(255), z.number().int().transform(String)]);
const userFields = z.object({
  sub: userId.optional().catch(undefined),
  id: userId.optional().catch(undefined),
  isAdmin: z.boolean().catch(false).default(false),
});

/** The operator's service. */
export class VerifyHook {
  readonly #settings: VerifyHookSettings;
  readonly #remembered = new ShortMemory<HookUser | "refused">(rememberedTokens);
  readonly #asking = new Map<string, Promise<HookUser | "refused">>();

  constructor(settings: VerifyHookSettings) {
    this.#settings = settings;
  }

  /** Whose a token is. Rejects with TOKEN_INVALID when it is nobody's, SERVICE_UNAVAILABLE when the service does not say, and TOO_MANY_CALLS (H4). */
  async userOf(token: string): Promise<HookUser> {
    const digest = createHash("sha256").update(token).digest("base64url");
    const answer =
      this.#remembered.get(digest) ?? (await (this.#asking.get(digest) ?? this.#ask(digest, token)));
    if (answer === "refused")
      throw new DomainError("TOKEN_INVALID", "the service that verifies tokens refuses this one");
    return answer;
  }

  #ask(digest: string, token: string): Promise<HookUser | "refused"> {
    if (this.#asking.size >= maxQuestions)
      throw new DomainError("TOO_MANY_CALLS", "too many tokens are being verified");
    const asking = this.#answerTo(token)
      .then((answer) => {
        this.#remembered.set(digest, answer, answer === "refused" ? noMs : yesMs);
        return answer;
      })
      .finally(() => this.#asking.delete(digest));
    this.#asking.set(digest, asking);
    return asking;
  }

  async #answerTo(token: string): Promise<HookUser | "refused"> {
    const { url, secret } = this.#settings;
    const body = { token, ...(secret !== undefined && { secret: secret() }) };
    const answer = await askJson(url, { body, timeoutMs: answerTimeoutMs }).catch((cause: unknown) => {
      throw new DomainError(
        "SERVICE_UNAVAILABLE",
        "the service that verifies tokens does not answer",
        {},
        { cause },
      );
    });
    return read(answer);
  }
}

function read({ status, body }: JsonAnswer): HookUser | "refused" {
  if (refusingStatuses.has(status)) return "refused";
  if (status !== 200) {
    const cause = new Error(`it answers ${status}`);
    throw new DomainError(
      "SERVICE_UNAVAILABLE",
      "the service that verifies tokens is not able to",
      {},
      { cause },
    );
  }
  // Some answer the user itself, some an object with the user in it.
  const { user } = z.object({ user: z.unknown() }).safeParse(body).data ?? {};
  const { sub, id, isAdmin = false } = userFields.safeParse(user ?? body).data ?? {};
  const userId = sub ?? id;
  return userId === undefined ? "refused" : { userId, isAdmin };
}
