import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

/** A Lua script that Redis runs as one step; what its KEYS and ARGV are stands in its file. */
export class RedisScript {
  readonly #source: string;
  readonly #digest: string;

  /** Reads `scripts/<name>.lua`. */
  constructor(name: string) {
    this.#source = readFileSync(new URL(`scripts/${name}.lua`, import.meta.url), "utf8");
    this.#digest = createHash("sha1").update(this.#source).digest("hex");
  }

  /** Runs it on one key. The source is sent only to a server that does not know it: a new one, or one that forgot. */
  async run(redis: Redis, key: string, args: readonly (string | number | Buffer)[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.#digest, 1, key, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return await redis.eval(this.#source, 1, key, ...args);
    }
  }
}
