import { engineHandlers } from "./core/engine-handler.ts";
import type { WorkerStore } from "./worker-store.ts";

/** Handlers that every installation knows, before any worker registered. */
const builtIn: readonly string[] = [
  ...engineHandlers,
  "noop",
  "program",
  "call_external_service",
  "llm",
  "unreliable_handler",
];

/** How long what was read is good. */
const freshMs = 1_000;

/** The handlers that a definition may name: built in, or offered by a worker at any time. */
export class KnownHandlers {
  readonly #workers: Pick<WorkerStore, "knownHandlers">;
  #known: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(workers: Pick<WorkerStore, "knownHandlers">) {
    this.#workers = workers;
  }

  async all(): Promise<ReadonlySet<string>> {
    const at = performance.now();
    if (at - this.#readAt > freshMs) {
      this.#known = new Set([...builtIn, ...(await this.#workers.knownHandlers())]);
      this.#readAt = at;
    }
    return this.#known;
  }
}
