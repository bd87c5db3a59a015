/*
 * Runs and tasks as callers see them.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Run as RunMessage, RunSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import {
  type WatchRunResponse,
  WatchRunResponseSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import {
  type Failure as FailureMessage,
  FailureSchema,
  type Prompt as PromptMessage,
  PromptSchema,
  type Task as TaskMessage,
  TaskSchema,
  type Wait as WaitMessage,
  WaitSchema,
} from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import type { Failure } from "./core/event.ts";
import { jsonBytes } from "./core/json.ts";
import { type Prompt, type Run, standAloneTask, type Task } from "./core/run.ts";
import type { RunState } from "./core/task-state.ts";
import type { RunRow } from "./history-store.ts";
import { runStateMessage, taskStateMessage } from "./state-message.ts";
import { type Waiting, type WorkerOffer, waitOf, waitsOf } from "./waiting.ts";

/** How many tasks a run shows with itself, so that it stays a message: as many as a definition has nodes. */
const maxTasksOfRun = 10_000;

export function failureMessage({ reason, message, nodeId, exitCode }: Failure): FailureMessage {
  return create(FailureSchema, { reason, message, nodeId, ...(exitCode !== undefined && { exitCode }) });
}

export function promptMessage(prompt: Prompt): PromptMessage {
  const { promptId, attempt, text, password, choices, openedAt } = prompt;
  return create(PromptSchema, {
    promptId,
    attempt,
    text,
    password,
    choices: [...choices],
    openedAt: timestampFromDate(openedAt),
  });
}

/** A task as it stands; its output only when asked for, and why it waits only when that is given. */
export function taskMessage(
  run: Run,
  task: Task,
  { withOutput = false, wait }: { readonly withOutput?: boolean; readonly wait?: Waiting | undefined } = {},
): TaskMessage {
  const node = run.plan.nodes[task.node];
  const { lastFailure, items } = task;
  // Where there are many they belong to one run, which says the same for all.
  const isAlone = withOutput || standAloneTask(run) !== undefined;
  return create(TaskSchema, {
    taskId: taskIdOf(run.runId, task.name),
    runId: run.runId,
    nodeId: node?.id ?? "",
    handler: node?.handler ?? "",
    state: taskStateMessage[task.state],
    attempt: task.attempt,
    workerId: task.lease?.workerId ?? "",
    ...(task.failure && { failure: failureMessage(task.failure) }),
    ...(withOutput && task.output !== undefined && { output: jsonBytes(task.output) }),
    openPrompts: task.prompts.filter(({ state }) => state === "open").map(promptMessage),
    artifacts: task.files.map(({ path, size }) => ({ path, size: BigInt(size) })),
    createdAt: timestampFromDate(run.createdAt),
    ...(task.startedAt && { startedAt: timestampFromDate(task.startedAt) }),
    ...(task.endedAt && { endedAt: timestampFromDate(task.endedAt) }),
    name: run.plan.definition.name,
    cancelRequested: run.isCancelRequested,
    failedAttempts: task.failedCount,
    ...(lastFailure && { lastFailure: failureMessage({ ...lastFailure, nodeId: node?.id ?? "" }) }),
    ...(wait && { wait: waitMessage(run, wait) }),
    childRunId: task.childRunId ?? "",
    ...(items && { items: { total: items.tasks.length, ended: items.ended } }),
    ...(isAlone && {
      clientId: run.clientId,
      labels: { ...run.labels },
      updatedAt: timestampFromDate(run.updatedAt),
      scheduleId: run.scheduleId ?? "",
    }),
    ...(node?.promptTimeoutMs !== undefined && { promptTimeout: durationFromMs(node.promptTimeoutMs) }),
  });
}

/** A run as it stands, with its tasks. Its input only when asked for, and why it waits only with what workers offer. */
export function runMessage(
  run: Run,
  {
    withInput = false,
    offers,
  }: { readonly withInput?: boolean; readonly offers?: readonly WorkerOffer[] | undefined } = {},
): RunMessage {
  return create(RunSchema, {
    runId: run.runId,
    workflowId: run.workflowId ?? "",
    name: run.plan.definition.name,
    state: runStateMessage[run.state],
    ...(run.failure && run.state === "failed" && { failure: failureMessage(run.failure) }),
    cancelRequested: run.isCancelRequested,
    tasks: run.tasks
      .slice(0, maxTasksOfRun)
      .map((task) => taskMessage(run, task, { wait: offers && waitOf(run, task, offers) })),
    createdAt: timestampFromDate(run.createdAt),
    ...(run.endedAt && { endedAt: timestampFromDate(run.endedAt) }),
    workflowVersion: run.workflowVersion ?? "",
    labels: { ...run.labels },
    priority: run.priority,
    parentRunId: run.parent?.runId ?? "",
    scheduleId: run.scheduleId ?? "",
    rerunOf: run.rerunOf ?? "",
    waits: offers === undefined ? [] : waitsOf(run, offers).map((wait) => waitMessage(run, wait)),
    ...(withInput && { input: jsonBytes(run.input) }),
  });
}

function waitMessage(run: Run, { reason, message, task, since, until }: Waiting): WaitMessage {
  return create(WaitSchema, {
    reason,
    message,
    taskId: task === undefined ? "" : taskIdOf(run.runId, task.name),
    ...(since && { since: timestampFromDate(since) }),
    ...(until && { until: timestampFromDate(until) }),
  });
}

/** A run as lists show it. */
export function runMessageOfRow(row: RunRow): RunMessage {
  const failure =
    row.failure === null ? undefined : (JSON.parse(new TextDecoder().decode(row.failure)) as Failure);
  return create(RunSchema, {
    runId: row.run_id,
    workflowId: row.workflow_id ?? "",
    name: row.name,
    state: runStateMessage[row.state as RunState],
    ...(failure && row.state === "failed" && { failure: failureMessage(failure) }),
    cancelRequested: row.is_cancel_requested,
    createdAt: timestampFromDate(row.created_at),
    ...(row.ended_at && { endedAt: timestampFromDate(row.ended_at) }),
    labels: Object.fromEntries(row.labels.map(keyAndValue)),
    priority: row.priority,
    parentRunId: row.parent_run_id ?? "",
    scheduleId: row.schedule_id ?? "",
    rerunOf: row.rerun_of ?? "",
  });
}

/** The parts of a label as rows have it; its key holds no `=`. */
function keyAndValue(label: string): [key: string, value: string] {
  const at = label.indexOf("=");
  return [label.slice(0, at), label.slice(at + 1)];
}

/** What watchers get first: the run as it stands. */
export function snapshotNews(run: Run): WatchRunResponse {
  return news(run, { case: "snapshot", value: runMessage(run) });
}

/** What watchers get of a change: the tasks that changed, as they stand after it. */
export function changeNews(run: Run, changed: Iterable<Task>): WatchRunResponse {
  return news(run, {
    case: "change",
    value: {
      tasks: [...changed].map((task) => taskMessage(run, task)),
      state: runStateMessage[run.state],
      ...(run.failure && run.state === "failed" && { failure: failureMessage(run.failure) }),
    },
  });
}

function news(
  run: Run,
  value: NonNullable<MessageInitShape<typeof WatchRunResponseSchema>["news"]>,
): WatchRunResponse {
  return create(WatchRunResponseSchema, { runId: run.runId, seq: run.seq, news: value });
}
