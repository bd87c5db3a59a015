import type { Client } from "@connectrpc/connect";
import type { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { type Task as TaskRecord, TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { Attachment, type AttachmentOptions } from "./attachment.ts";
import { jsonOf } from "./json-bytes.ts";
import { RunWatch } from "./run-watch.ts";

/** A task did not complete. */
export class TaskNotCompleted extends Error {
  override readonly name = "TaskNotCompleted";
  /** The task as it ended: its state, and why in `failure`. */
  readonly task: TaskRecord;

  constructor(task: TaskRecord) {
    super(task.failure?.message ?? `task ${task.taskId} was cancelled`);
    this.task = task;
  }
}

/** What a task's handle calls. */
export interface TaskClients {
  readonly scheduler: Client<typeof SchedulerService>;
  readonly taskio: Client<typeof TaskIOService>;
}

/** One task: to be watched, answered, waited for or cancelled. */
export class Task {
  readonly id: string;
  readonly #clients: TaskClients;

  constructor(clients: TaskClients, id: string) {
    this.#clients = clients;
    this.id = id;
  }

  /** Watches it from the beginning or a cursor to its end, and answers what it asks. Survives broken connections. */
  attach(options: Omit<AttachmentOptions, "taskId"> = {}): Attachment {
    return new Attachment(this.#clients.taskio, { ...options, taskId: this.id });
  }

  /** The task as it stands, with its output once it has completed. */
  async get(): Promise<TaskRecord> {
    const { task } = await this.#clients.scheduler.getTask({ taskId: this.id });
    if (task === undefined) throw new TypeError(`the server answered nothing about task ${this.id}`);
    return task;
  }

  /** Waits until it has ended and answers its output. Rejects with `TaskNotCompleted` when it failed, was skipped or cancelled. */
  async wait(signal?: AbortSignal): Promise<unknown> {
    let task = await this.get();
    if (!isFinalTask(task.state)) {
      const options = signal === undefined ? {} : { signal };
      for await (const event of new RunWatch(this.#clients.scheduler, [task.runId], options)) {
        if (event.kind !== "change" && event.kind !== "snapshot") continue;
        const { tasks } = event.kind === "change" ? event.change : event.run;
        if (tasks.some(({ taskId, state }) => taskId === this.id && isFinalTask(state))) break;
      }
      task = await this.get();
    }
    if (task.state !== TaskState.COMPLETED) throw new TaskNotCompleted(task);
    return jsonOf(task.output);
  }

  /** Asks for its end, in whatever state it is. It has ended when a watch says so. */
  async cancel(): Promise<void> {
    await this.#clients.scheduler.cancelTask({ taskId: this.id });
  }
}

/** Whether nothing will happen to a task in this state any more. */
export function isFinalTask(state: TaskState): boolean {
  return finalStates.includes(state);
}

const finalStates: readonly TaskState[] = [
  TaskState.COMPLETED,
  TaskState.FAILED,
  TaskState.CANCELLED,
  TaskState.SKIPPED,
];
