import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { type Run, RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import type { Prompt, Task, Wait } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { type Dag, DagSchema } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { isFinalRun, isFinalTask, type RunEvent } from "../sdk/typescript/antiphon.ts";

/** A run as a watch knows it. */
export interface BookedRun {
  /** Its tasks are in `tasks` and `items`. */
  readonly run: Run;
  dag: Dag;
  /** By node, in the order of the definition. */
  readonly tasks: Map<string, Task>;
  /** The items of `for_each` nodes, by node and number. */
  readonly items: Map<string, Map<number, Task>>;
  /** Why tasks do not go on, by task id; under the empty id why the run does not. Asked for now and then. */
  waits: ReadonlyMap<string, Wait>;
}

/** A task that changed. */
export interface TaskChange {
  readonly booked: BookedRun;
  readonly task: Task;
  readonly before: Task | undefined;
}

/** What is known of runs that are watched. */
export class RunBook {
  readonly #runs = new Map<string, BookedRun>();

  get runs(): readonly BookedRun[] {
    return [...this.#runs.values()];
  }

  of(runId: string): BookedRun | undefined {
    return this.#runs.get(runId);
  }

  /** Takes news in; answers the tasks that it changed. */
  take(event: RunEvent): TaskChange[] {
    if (event.kind === "snapshot") {
      const { run } = event;
      const booked: BookedRun = {
        run,
        dag: this.#runs.get(run.runId)?.dag ?? create(DagSchema),
        tasks: new Map(),
        items: new Map(),
        waits: waitsOf(run),
      };
      this.#runs.set(run.runId, booked);
      return run.tasks.map((task) => kept(booked, task));
    }
    if (event.kind !== "change") return [];
    const booked = this.#runs.get(event.runId);
    if (booked === undefined) return [];
    const { state, failure, tasks } = event.change;
    booked.run.state = state;
    if (failure !== undefined) booked.run.failure = failure;
    if (isFinalRun(state)) booked.run.endedAt ??= timestampNow();
    return tasks.map((task) => kept(booked, task));
  }

  /** Takes in why a run does not go on. Answers what was not known. */
  learn(run: Run): Wait[] {
    const booked = this.#runs.get(run.runId);
    if (booked === undefined || isFinalRun(booked.run.state)) return [];
    const before = booked.waits;
    booked.waits = waitsOf(run);
    return [...booked.waits].flatMap(([taskId, wait]) =>
      before.get(taskId)?.message === wait.message ? [] : wait,
    );
  }

  /** The questions that wait for an answer, with the task that asks. */
  get openPrompts(): { readonly task: Task; readonly prompt: Prompt }[] {
    return this.runs.flatMap(({ tasks, items }) =>
      [...tasks.values(), ...[...items.values()].flatMap((ofNode) => [...ofNode.values()])].flatMap((task) =>
        isFinalTask(task.state) ? [] : task.openPrompts.map((prompt) => ({ task, prompt })),
      ),
    );
  }
}

/** Whether a run may wait for something that can be told: nothing ends the question better than its end. */
export function mayWait({ run, tasks }: BookedRun): boolean {
  if (isFinalRun(run.state)) return false;
  return run.state !== RunState.RUNNING || [...tasks.values()].some(({ state }) => !isFinalTask(state));
}

/** The number of the item that a task carries out; undefined when it is no item's. */
export function itemIndexOf({ taskId, runId, nodeId }: Task): number | undefined {
  const index = taskId.slice(runId.length + nodeId.length + 2);
  return taskId.startsWith(`${runId}.${nodeId}.`) && /^\d+$/.test(index) ? Number(index) : undefined;
}

function kept(booked: BookedRun, task: Task): TaskChange {
  const index = itemIndexOf(task);
  if (index === undefined) {
    const before = booked.tasks.get(task.nodeId);
    booked.tasks.set(task.nodeId, task);
    return { booked, task, before };
  }
  const items = booked.items.get(task.nodeId) ?? new Map<number, Task>();
  booked.items.set(task.nodeId, items);
  const before = items.get(index);
  items.set(index, task);
  return { booked, task, before };
}

function waitsOf({ waits }: Run): ReadonlyMap<string, Wait> {
  return new Map(waits.map((wait) => [wait.taskId, wait]));
}
