/** A promise that was broken. */
export interface Violation {
  /** Which check saw it. */
  readonly checker: Checker;
  readonly message: string;
}

/** Everything that is checked, with the promise that it checks. */
export const checkers = {
  "published before commit": "nothing leaves an owner before its commit",
  "answered and lost": "a command that was answered is in history",
  "two owners":
    "only the owner of a partition commits on it, and nobody else has since the epoch it commits at",
  "gap in history": "the facts of a run are numbered 1, 2, 3, …",
  "illegal transition": "every history can be folded",
  "completed twice": "a task has one accepted completion",
  "report applied twice": "each report of an attempt takes effect once, in order",
  "two leases": "an attempt is leased once, and what is accepted of it bears that lease's token",
  "two holders": "at no time are two workers at work on one task",
  "lease ended early": "a lease does not lapse before its holder knows that it may",
  "started without lease": "a leased handler starts only after its lease is committed",
  "dispatched too early": "a task is handed out when all it depends on is over",
  "dispatched twice": "an attempt is opened once, and the next one only after its end",
  "timer wrong": "a timer fires when its time has come, and not before",
  "answered twice": "a prompt is answered once",
  "other answer delivered": "the answer that a handler gets is the one in history",
  "report deleted": "a report is deleted after the commit that holds its effect",
  "report forgotten": "a worker names an attempt until history knows how it ended",
  "stale answer": "who answers about a partition knows what was committed before the question",
  "record differs": "the record of an owner is the fold of history",
  "transcript broken": "a transcript is complete, in order and exact, and shows only what its holder wrote",
  "never ends": "when nothing fails any more, every run ends and nothing is left in any queue",
  defect: "nothing is logged as a defect, answered with INTERNAL, or rejected without anybody to hear it",
} as const;

export type Checker = keyof typeof checkers;

/** Keeps the first violation, and stops the world there. */
export class Violations {
  first: Violation | undefined;
  readonly #stop: () => void;
  readonly #tell: (line: () => string) => void;

  constructor({ stop, tell }: { readonly stop: () => void; readonly tell: (line: () => string) => void }) {
    this.#stop = stop;
    this.#tell = tell;
  }

  report(checker: Checker, message: string): void {
    this.#tell(() => `VIOLATION    ${checker}: ${message}`);
    this.first ??= { checker, message };
    this.#stop();
  }
}
