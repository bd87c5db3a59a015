import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type ExecuteRequest,
  ExecuteRequestSchema,
} from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import {
  type StartRunRequest,
  StartRunRequestSchema,
  SubmitTaskRequestSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { derivedInPartition } from "../../lib/ids/derived-in-partition.ts";
import type { TaskProgram } from "./program-env.ts";
import type { Schedule } from "./schedule.ts";

export interface ScheduleStarts {
  /** The stored workflow that a client's request names; undefined when there is none. Throws when the input is not as the workflow wants it. */
  readonly find: (
    caller: { readonly clientId: string; readonly admin: boolean },
    request: StartRunRequest,
  ) => Promise<{ readonly workflowId: string; readonly workflowVersion: string } | undefined>;
  /** The file of a schedule's task, with its environment. */
  readonly programOf: (scheduleId: string) => Promise<TaskProgram | undefined>;
}

/** A run that a schedule starts. */
export interface ScheduledRun {
  readonly runId: string;
  /** The nominal time of the firing. */
  readonly scheduledAt: Date;
  /** What the run's history has as its request. */
  readonly requestId: string;
}

/** The run of a firing: the same for the same nominal time, so that a firing that is started twice is one run. */
export function runOfFiring(
  { scheduleId, partition }: Pick<Schedule, "scheduleId" | "partition">,
  at: Date,
): ScheduledRun {
  const nominal = at.toISOString();
  const runId = derivedInPartition(partition, "firing", scheduleId, nominal);
  return { runId, scheduledAt: at, requestId: `firing ${nominal}` };
}

/** The run of a trigger: the same for the same request of the same client. */
export function runOfTrigger(
  { scheduleId, partition }: Pick<Schedule, "scheduleId" | "partition">,
  { clientId, requestId, at }: { readonly clientId: string; readonly requestId: string; readonly at: Date },
): ScheduledRun {
  const runId = derivedInPartition(partition, "trigger", scheduleId, clientId, requestId);
  return { runId, scheduledAt: at, requestId };
}

/** The command that starts what a schedule starts, for its client. Throws what the start is refused with before it reaches the run. */
export async function startCommand(
  { find, programOf }: ScheduleStarts,
  { scheduleId, clientId, content }: Pick<Schedule, "scheduleId" | "clientId" | "content">,
  { runId, scheduledAt, requestId }: ScheduledRun,
): Promise<ExecuteRequest> {
  const about = { runId, clientId, requestId, scheduleId, scheduledAt: timestampFromDate(scheduledAt) };
  const target = content.target?.kind;
  if (target?.case === "task") {
    const { program, input, labels } = target.value;
    const file = await programOf(scheduleId);
    if (program === undefined || file === undefined) {
      throw new DomainError("SCHEDULE_NOT_FOUND", "the schedule was deleted", { schedule_id: scheduleId });
    }
    const value = create(SubmitTaskRequestSchema, { program: { ...program, ...file }, input, labels });
    return create(ExecuteRequestSchema, { ...about, command: { case: "submitTask", value } });
  }
  if (target?.case !== "workflow") throw new Error(`schedule ${scheduleId} has no target`);
  const { workflowId, workflowName, input, labels, priority } = target.value;
  const value = create(StartRunRequestSchema, { workflowId, workflowName, input, labels, priority });
  // Whether the client may start the workflow of this id was asked when the schedule was stored.
  const found = await find({ clientId, admin: workflowId !== "" }, value);
  return create(ExecuteRequestSchema, { ...about, ...found, command: { case: "startRun", value } });
}
