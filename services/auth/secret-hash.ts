/*
 * How the secrets of clients are kept and checked.
 *
 * A secret that we drew has 256 bits, so SHA-256 is enough. One that a person
 * chose may be guessed, so it costs scrypt. Which of the two is used follows
 * from the form of the secret that is shown, never from what is stored: so a
 * check takes as long for a client that does not exist as for one that does.
 */
import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { DomainError } from "../../lib/errors/domain-error.ts";

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number }, Buffer>(scrypt);

/** About 40 ms and 16 MiB. */
const cost = { N: 2 ** 14, r: 8, p: 1 };
const keyBytes = 32;

/** More callers than this do not wait for scrypt, which would keep the thread pool from everybody else. */
const maxWaiting = 32;

/** Stands in for the hash of a client that does not exist. */
const nobodysSalt = Buffer.alloc(16);

const drawnForm = /^ant_[\w-]{43}$/;

/** A new secret of 256 bits. */
export function drawSecret(): string {
  return `ant_${randomBytes(32).toString("base64url")}`;
}

/** Whether a secret has the form of those that we draw, which nobody can guess. */
export function isDrawn(secret: string): boolean {
  return drawnForm.test(secret);
}

/** Hashes and checks secrets, the costly ones one after the other. */
export class SecretHash {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** What to store: `sha256:<digest>` or `scrypt:<salt>:<key>`, in base64url. */
  async of(secret: string): Promise<string> {
    if (isDrawn(secret)) return `sha256:${digest(secret).toString("base64url")}`;
    const salt = randomBytes(16);
    return `scrypt:${salt.toString("base64url")}:${(await this.#derived(secret, salt)).toString("base64url")}`;
  }

  /**
   * Whether a secret is one of those that were stored, of which one at most may be
   * of a secret that was chosen. Rejects with TOO_MANY_CALLS when too many wait
   * for the answer already.
   */
  async matches(secret: string, ...stored: readonly (string | undefined)[]): Promise<boolean> {
    const hashes = stored.map((hash) => hash?.split(":") ?? []);
    if (isDrawn(secret)) {
      const shown = digest(secret);
      return hashes.some(([kind, expected = ""]) => areEqual(shown, kind === "sha256" ? expected : ""));
    }
    const [, salt, expected = ""] = hashes.find(([kind]) => kind === "scrypt") ?? [];
    const shown = await this.#derived(
      secret,
      salt === undefined ? nobodysSalt : Buffer.from(salt, "base64url"),
    );
    return areEqual(shown, expected);
  }

  async #derived(secret: string, salt: Buffer): Promise<Buffer> {
    if (this.#waiting >= maxWaiting)
      throw new DomainError("TOO_MANY_CALLS", "too many secrets are being checked");
    this.#waiting += 1;
    const mine = this.#last.then(() => derive(secret, salt, keyBytes, cost));
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
    }
  }
}

function digest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** Compares in a time that does not depend on where they differ. */
function areEqual(computed: Buffer, stored: string): boolean {
  const expected = Buffer.alloc(computed.length);
  const isWhole = Buffer.from(stored, "base64url").copy(expected) === expected.length;
  return timingSafeEqual(computed, expected) && isWhole;
}
