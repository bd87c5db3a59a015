import type { JsonObject } from "./core/json.ts";
import type { Run, Task } from "./core/run.ts";

/** A task that waits for a worker. */
export interface Ready {
  readonly run: Run;
  readonly task: Task;
  readonly attempt: number;
  readonly config: JsonObject;
  readonly stream: string;
  /** Higher goes first among the tasks of one client. */
  readonly priority: number;
}

/** Tasks of one stream that wait to be published: each client in its turn, and of each client by priority, then by age. */
export class FairQueue {
  readonly #byClient = new Map<string, Line>();
  size = 0;

  push(ready: Ready): void {
    const { clientId } = ready.run;
    const line = this.#byClient.get(clientId) ?? new Line();
    this.#byClient.set(clientId, line);
    line.push(ready);
    this.size += 1;
  }

  remove(isUnwanted: (ready: Ready) => boolean): void {
    for (const [clientId, line] of this.#byClient) {
      this.size -= line.remove(isUnwanted);
      if (line.isEmpty) this.#byClient.delete(clientId);
    }
  }

  shift(): Ready | undefined {
    const [next] = this.#byClient;
    if (next === undefined) return undefined;
    const [clientId, line] = next;
    const ready = line.shift();
    this.#byClient.delete(clientId);
    if (!line.isEmpty) this.#byClient.set(clientId, line);
    if (ready !== undefined) this.size -= 1;
    return ready;
  }
}

/** What one client has waiting. */
class Line {
  /** By priority, highest first; no part is empty. Most clients use one. */
  #parts: { readonly priority: number; waiting: Ready[] }[] = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  push(ready: Ready): void {
    const { priority } = ready;
    const place = this.#parts.findIndex((part) => part.priority <= priority);
    const part = this.#parts[place];
    if (part?.priority === priority) part.waiting.push(ready);
    else this.#parts.splice(place < 0 ? this.#parts.length : place, 0, { priority, waiting: [ready] });
  }

  shift(): Ready | undefined {
    const [first] = this.#parts;
    const ready = first?.waiting.shift();
    if (first?.waiting.length === 0) this.#parts.shift();
    return ready;
  }

  /** Answers how many were removed. */
  remove(isUnwanted: (ready: Ready) => boolean): number {
    let removed = 0;
    for (const part of this.#parts) {
      const wanted = part.waiting.filter((ready) => !isUnwanted(ready));
      removed += part.waiting.length - wanted.length;
      part.waiting = wanted;
    }
    this.#parts = this.#parts.filter(({ waiting }) => waiting.length > 0);
    return removed;
  }
}
