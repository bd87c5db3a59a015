import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import { type Failure, type Task, TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { isoOf } from "../../instant.ts";
import { type WaldiezStatus, waldiezStatuses } from "../status-names.ts";
import { flowIdLabel } from "./flow-id.ts";
import { type FoundTask, type ScheduledTask, statusOfFound } from "./found-task.ts";

const object = z.record(z.string(), z.unknown());

/** A task as the Waldiez runner's clients know it. */
export const taskSchema = z
  .object({
    id: z.string(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    client_id: z.string().describe("The `client_id` of the client that it belongs to."),
    flow_id: z.string().describe("The same for the same file under the same name."),
    filename: z.string(),
    status: z.enum(waldiezStatuses),
    input_timeout: z.int().describe("How long each question waits for its answer, in seconds; 0 for ever."),
    input_request_id: z.string().nullable().describe("The oldest question that waits for its answer."),
    results: z
      .union([z.array(z.unknown()), object])
      .nullable()
      .describe("What it gave, or why it ended without that; null before its end, and in lists."),
    triggered_at: z.iso.datetime().nullable().describe("When its latest attempt was handed to a worker."),
    schedule_type: z.enum(["once", "cron"]).nullable(),
    scheduled_time: z.iso.datetime().nullable(),
    cron_expression: z.string().nullable(),
    expires_at: z.iso.datetime().nullable(),
  })
  .meta({ id: "WaldiezTask" });

/** A task as it is answered; without its results where `inList`. */
export function taskJson(
  found: FoundTask,
  { now, inList = false }: { readonly now: Date; readonly inList?: boolean },
): object {
  const shown = found.kind === "plain" ? plainFields(found.task) : scheduledFields(found);
  const task = found.kind === "plain" ? found.task : found.last;
  const status = statusOfFound(found, now);
  const isWaiting = status === "WAITING_FOR_INPUT";
  return {
    ...shown,
    status,
    input_request_id: (isWaiting && task?.openPrompts[0]?.promptId) || null,
    results: inList ? null : resultsOfFound(found, status),
    triggered_at: isoOf(task?.startedAt),
  };
}

function plainFields(task: Task): object {
  return {
    id: task.taskId,
    created_at: isoOf(task.createdAt),
    updated_at: isoOf(task.updatedAt ?? task.endedAt ?? task.startedAt ?? task.createdAt),
    client_id: task.clientId,
    // What was submitted another way has none.
    flow_id: task.labels[flowIdLabel] ?? task.taskId,
    filename: task.name,
    input_timeout: secondsOf(task.promptTimeout),
    schedule_type: null,
    scheduled_time: null,
    cron_expression: null,
    expires_at: null,
  };
}

function scheduledFields({ schedule, last }: ScheduledTask): object {
  const { scheduleId, createdAt, updatedAt, clientId, timing, target, endsAt } = schedule;
  const task = target?.kind.case === "task" ? target.kind.value : undefined;
  const changes = [createdAt, updatedAt, last?.updatedAt].flatMap((at) => isoOf(at) ?? []);
  return {
    id: scheduleId,
    created_at: isoOf(createdAt),
    updated_at: changes.toSorted().at(-1) ?? null,
    client_id: clientId,
    flow_id: task?.labels[flowIdLabel] ?? scheduleId,
    filename: task?.program?.fileName ?? schedule.name,
    input_timeout: secondsOf(task?.program?.promptTimeout),
    schedule_type: timing?.kind.case === "at" ? "once" : "cron",
    scheduled_time: timing?.kind.case === "at" ? isoOf(timing.kind.value) : null,
    cron_expression: timing?.kind.case === "cron" ? timing.kind.value : null,
    expires_at: isoOf(endsAt),
  };
}

/** What a task came to; of a scheduled one that left no run behind, why. */
function resultsOfFound(found: FoundTask, status: WaldiezStatus): object | null {
  const task = found.kind === "plain" ? found.task : found.last;
  if (task !== undefined) return resultsOf(task);
  if (found.kind === "plain") return null;
  const { paused, lastFailure } = found.schedule;
  if (status === "FAILED") return failedResults(lastFailure);
  if (status === "CANCELLED") return { detail: paused ? "Task cancelled" : "Task expired" };
  return null;
}

function failedResults(failure: Failure | undefined): object {
  return { error: failure?.message ?? "", reason: failure?.reason ?? "" };
}

/** How a task ended, as clients expect it of the three ways. */
function resultsOf({ state, output, failure }: Task): object | null {
  switch (state) {
    case TaskState.COMPLETED: {
      const value: unknown = output.length === 0 ? null : JSON.parse(new TextDecoder().decode(output));
      return typeof value === "object" ? value : [value];
    }
    case TaskState.FAILED:
      return failedResults(failure);
    case TaskState.CANCELLED:
      return { detail: "Task cancelled" };
    default:
      return null;
  }
}

function secondsOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Math.round(durationMs(duration) / 1_000);
}
