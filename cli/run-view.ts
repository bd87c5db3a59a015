import { delay } from "../lib/async/delay.ts";
import { drawnRuns } from "./drawn-run.ts";
import { LiveRegion } from "./live-region.ts";
import type { RunBook, TaskChange } from "./run-book.ts";
import { changeLines } from "./run-lines.ts";
import { runTree } from "./run-tree.ts";
import type { Screen } from "./screen.ts";

/** How often runs are drawn again while nothing changes: often enough for clocks in seconds. */
const redrawMs = 500;

/** Changes that come closer together than this are drawn together. */
const betweenDrawsMs = 100;

/** Runs as they are watched: trees that are drawn over on a terminal, else a line for each change of a task. */
export class RunView implements AsyncDisposable {
  readonly #screen: Screen;
  readonly #book: RunBook;
  readonly #region: LiveRegion | undefined;
  readonly #over = new AbortController();
  readonly #redrawing: Promise<void>;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #due: NodeJS.Timeout | undefined;

  constructor(screen: Screen, book: RunBook) {
    this.#screen = screen;
    this.#book = book;
    this.#region = screen.showsData ? new LiveRegion(screen) : undefined;
    this.#redrawing = this.#redraw();
  }

  /** Shows what changed. `mainRunId`: the run whose name is left out of lines. */
  async show(changes: readonly TaskChange[], mainRunId: string): Promise<void> {
    if (this.#region !== undefined) return this.draw();
    for (const line of changes.flatMap((change) => changeLines(change, mainRunId)))
      await this.#screen.line(line);
  }

  /** Draws what is known, at most ten times a second; nothing but on a terminal. */
  draw(): void {
    if (this.#region === undefined || this.#due !== undefined) return;
    const restMs = this.#drawnAt + betweenDrawsMs - performance.now();
    if (restMs <= 0) return this.#paint();
    this.#due = setTimeout(() => {
      this.#due = undefined;
      this.#paint();
    }, restMs);
  }

  #paint(): void {
    if (this.#region === undefined) return;
    this.#drawnAt = performance.now();
    const { columns, rows } = this.#screen.size;
    const now = new Date();
    const runs = drawnRuns(this.#book, now);
    const each = {
      now,
      columns,
      rows: Math.max(4, Math.floor(rows / runs.length)),
      colors: this.#screen.colors,
    };
    this.#region.draw(runs.flatMap((run) => runTree(run, each)));
  }

  /** Draws for the last time and leaves it there. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#redrawing;
    clearTimeout(this.#due);
    this.#paint();
    this.#region?.leave();
  }

  /** Keeps the clocks going. */
  async #redraw(): Promise<void> {
    while (this.#region !== undefined && !this.#over.signal.aborted) {
      await delay(redrawMs, this.#over.signal);
      if (!this.#over.signal.aborted) this.draw();
    }
  }
}
