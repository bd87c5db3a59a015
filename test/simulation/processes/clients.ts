import type { Answering, Wish } from "../scenario/scenario.ts";
import { Answerer } from "./answerer.ts";
import type { People } from "./people.ts";
import { Readers } from "./readers.ts";
import { Signaller } from "./signaller.ts";
import { Wisher } from "./wisher.ts";

/** Everybody who uses Antiphon: who starts runs, answers questions and reads transcripts. */
export class Clients {
  readonly #people: People;
  readonly #answerer: Answerer;
  readonly #readers: Readers;
  readonly #signaller: Signaller;
  readonly #open = new Set<string>();

  constructor(people: People, answering: Answering) {
    this.#people = people;
    const spawn = (name: string, act: () => Promise<void>): void => this.#spawn(name, act);
    this.#answerer = new Answerer(people, answering, spawn);
    this.#signaller = new Signaller(people, spawn);
    this.#readers = new Readers(people);
  }

  /** Who waits for something; undefined when nobody does. */
  get waiting(): string | undefined {
    const [first] = this.#open;
    return first ?? this.#readers.waiting;
  }

  /** Begins to wish. To be called in the life of the clients' process. */
  begin(wishes: readonly Wish[]): void {
    for (const wish of wishes) {
      const name = `the wish for ${wish.workflow.name}`;
      this.#spawn(name, async () => await new Wisher(this.#people, wish).fulfil());
    }
    this.#answerer.run().catch((error: unknown) => this.#refused(error));
    this.#signaller.run().catch((error: unknown) => this.#refused(error));
    this.#readers.run().catch((error: unknown) => this.#refused(error));
  }

  #spawn(name: string, act: () => Promise<void>): void {
    this.#open.add(name);
    act()
      .catch((error: unknown) => this.#refused(error))
      .finally(() => {
        this.#open.delete(name);
      });
  }

  #refused(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#people.violations.report("defect", `a client is refused: ${text}`);
  }
}
