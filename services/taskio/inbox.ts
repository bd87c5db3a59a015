import { Bell } from "../../lib/async/bell.ts";

/**
 * Tasks that are to be looked at, each once however often it is put in, in the
 * order in which they came. One reader waits for them.
 */
export class Inbox {
  readonly #tasks = new Set<string>();
  readonly #bell = new Bell();

  /** Puts a task in. */
  put(taskId: string): void {
    this.#tasks.add(taskId);
    this.#bell.ring();
  }

  /** Takes out the first tasks, at most `maxCount`. */
  take(maxCount: number): string[] {
    const taken: string[] = [];
    for (const taskId of this.#tasks) {
      if (taken.length === maxCount) break;
      taken.push(taskId);
    }
    for (const taskId of taken) this.#tasks.delete(taskId);
    return taken;
  }

  /** Resolves when there is a task, after `maxMs`, or when `signal` aborts. */
  async wait(maxMs: number, signal: AbortSignal): Promise<void> {
    if (this.#tasks.size === 0) await this.#bell.heard(signal, maxMs);
  }
}
