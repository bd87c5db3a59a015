import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Run, RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Failure, type Task, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Dag } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { delay } from "../lib/async/delay.ts";
import type { RunEvent } from "../sdk/typescript/antiphon.ts";
import { LiveRegion } from "./live-region.ts";
import { failureText } from "./outcome.ts";
import { runTree } from "./run-tree.ts";
import type { Screen } from "./screen.ts";
import { stateWord } from "./state-word.ts";

/** How often a run is drawn again while nothing changes: often enough for clocks in seconds. */
const redrawMs = 250;

/** A run as it is watched: a tree that is drawn over on a terminal, else a line for each change of a node. */
export class RunView implements AsyncDisposable {
  readonly #screen: Screen;
  readonly #dag: Dag;
  readonly #tasks = new Map<string, Task>();
  readonly #region: LiveRegion | undefined;
  readonly #over = new AbortController();
  readonly #redrawing: Promise<void>;
  #run: Run | undefined;
  #drawing: Promise<void> = Promise.resolve();

  constructor(screen: Screen, dag: Dag) {
    this.#screen = screen;
    this.#dag = dag;
    this.#region = screen.showsData ? new LiveRegion(screen) : undefined;
    this.#redrawing = this.#redraw();
  }

  /** Where the run stands. */
  get state(): RunState {
    return this.#run?.state ?? RunState.UNSPECIFIED;
  }

  /** Why it failed, if it did. */
  get failure(): Failure | undefined {
    return this.#run?.failure;
  }

  /** Takes a change in and shows it. */
  async on(event: RunEvent): Promise<void> {
    if (event.kind === "reconnecting") return this.note("the connection is lost; reconnecting");
    if (event.kind === "reconnected") return this.note("connected again");
    if (event.kind === "snapshot") this.#run = event.run;
    else if (this.#run !== undefined) {
      this.#run.state = event.change.state;
      if (event.change.failure !== undefined) this.#run.failure = event.change.failure;
    }
    const changed = event.kind === "snapshot" ? event.run.tasks : event.change.tasks;
    for (const task of changed) {
      const before = this.#tasks.get(task.nodeId);
      this.#tasks.set(task.nodeId, task);
      if (this.#region === undefined && isNews(task, before)) await this.#screen.line(changeLine(task));
    }
    await this.#draw();
  }

  /** Says something; a tree is drawn anew below it. */
  async note(text: string): Promise<void> {
    await this.#drawing;
    this.#region?.leave();
    await this.#screen.note(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#redrawing;
  }

  /** Keeps the clocks going. */
  async #redraw(): Promise<void> {
    while (this.#region !== undefined && !this.#over.signal.aborted) {
      await delay(redrawMs, this.#over.signal);
      if (!this.#over.signal.aborted) await this.#draw();
    }
  }

  /** Draws after whatever is being drawn. */
  #draw(): Promise<void> {
    this.#drawing = this.#drawing.then(async () => {
      if (this.#region === undefined || this.#run === undefined) return;
      const { columns, rows } = this.#screen.size;
      const { name, runId, state, createdAt, endedAt } = this.#run;
      const nodes = this.#dag.nodes.flatMap(({ id, dependencies }) => {
        const task = this.#tasks.get(id);
        return task === undefined ? [] : [{ id, dependencies, task }];
      });
      const run = {
        name,
        runId,
        state,
        startedAt: createdAt === undefined ? new Date() : timestampDate(createdAt),
        nodes,
      };
      const now = endedAt === undefined ? new Date() : timestampDate(endedAt);
      await this.#region.draw(runTree(run, { now, columns, rows, colors: this.#screen.colors }));
    });
    return this.#drawing;
  }
}

/** A node that has not begun is no news. */
function isNews({ state, attempt }: Task, before: Task | undefined): boolean {
  if (before === undefined) return state !== TaskState.PENDING;
  return before.state !== state || before.attempt !== attempt;
}

function changeLine({ nodeId, state, attempt, failure, endedAt }: Task): string {
  const time = (endedAt === undefined ? new Date() : timestampDate(endedAt))
    .toISOString()
    .replace(/\.\d+Z$/, "Z");
  const why = failure === undefined ? "" : ` failure=${JSON.stringify(failureText(failure))}`;
  return `${time} node=${nodeId} state=${stateWord(state).toUpperCase()} attempt=${attempt}${why}`;
}
