/*
 * Which tokens are refused although they have not expired, as one process knows it.
 *
 *   V1. What was added is known until its `expiresAt`, whatever becomes of auth;
 *       adding it again changes nothing.
 *   V2. Nothing is kept past its `expiresAt` for longer than `sweepEveryMs` of
 *       additions, so memory is bounded by what was taken back within the life
 *       of the longest token.
 *   V3. A listener hears at once of what hits its caller, once, also when that
 *       was known before it began to listen.
 *   V4. Until `markComplete` nobody can tell that a token is good: `complete`
 *       is awaited before one is accepted.
 */
import type { Caller } from "./authenticate.ts";

/** Tokens that are refused: those of a client that were issued before an instant, a single one, or all of a family. */
export interface Revocation {
  readonly kind: "client" | "token" | "family";
  /** The id of the client, of the token (`jti`) or of the family (`sid`), by kind. */
  readonly subject: string;
  /** Only tokens that were issued earlier; given of a client's. */
  readonly issuedBefore?: Date;
  /** From when on nothing that it hits is good anyway. */
  readonly expiresAt: Date;
}

/** What tells one token from others. */
export type TokenIdentity = Pick<Caller, "clientId" | "audience" | "tokenId" | "familyId" | "issuedAt">;

interface Listener {
  readonly token: TokenIdentity;
  readonly heard: () => void;
}

const sweepEveryMs = 60_000;

/** What is known to be taken back. */
export class Revocations {
  readonly #known = new Map<string, Revocation>();
  readonly #listeners = new Set<Listener>();
  readonly #complete = Promise.withResolvers<void>();
  #isComplete = false;
  #sweptAt = Date.now();

  /** Whether all that was taken back before this process began is known. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Resolves when `isComplete`. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  /** To be called when all that was known elsewhere has been added. */
  markComplete(): void {
    this.#isComplete = true;
    this.#complete.resolve();
  }

  add(revocations: readonly Revocation[]): void {
    for (const revocation of revocations) {
      const key = keyOf(revocation.kind, revocation.subject);
      const known = this.#known.get(key);
      if (known === undefined || reach(known) <= reach(revocation)) this.#known.set(key, revocation);
    }
    this.#sweep();
    if (revocations.length === 0) return;
    for (const listener of this.#listeners) if (this.isRevoked(listener.token)) this.#tell(listener);
  }

  /** Whether a token is refused. One of a service never is. */
  isRevoked({ clientId, audience, tokenId, familyId, issuedAt }: TokenIdentity): boolean {
    if (audience === "internal" || this.#known.size === 0) return false;
    if (this.#known.has(keyOf("token", tokenId))) return true;
    if (familyId !== undefined && this.#known.has(keyOf("family", familyId))) return true;
    const ofClient = this.#known.get(keyOf("client", clientId));
    return ofClient?.issuedBefore !== undefined && issuedAt < ofClient.issuedBefore;
  }

  /** Calls `heard` when a token is taken back, at once if it was (V3). Ends when disposed of. */
  onRevoked(token: TokenIdentity, heard: () => void): Disposable {
    const listener = { token, heard };
    this.#listeners.add(listener);
    if (this.isRevoked(token)) this.#tell(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #tell(listener: Listener): void {
    this.#listeners.delete(listener);
    listener.heard();
  }

  #sweep(): void {
    const now = Date.now();
    if (now - this.#sweptAt < sweepEveryMs) return;
    this.#sweptAt = now;
    for (const [key, { expiresAt }] of this.#known) if (expiresAt.getTime() <= now) this.#known.delete(key);
  }
}

function keyOf(kind: Revocation["kind"], subject: string): string {
  return `${kind} ${subject}`;
}

/** The later of two revocations of one subject reaches further and lasts longer. */
function reach({ issuedBefore, expiresAt }: Revocation): number {
  return (issuedBefore ?? expiresAt).getTime();
}
