import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  Schedule,
  Schedule_TimingSchema,
  ScheduleSchema,
} from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import type { ProgramSchema } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { submissionLabels } from "./flow-id.ts";
import { type Finding, type ScheduledTask, withLastRun } from "./found-task.ts";
import { asClientFields, type WantedSchedule } from "./schedule-fields.ts";
import { labelsOf, taskSchedules } from "./task-schedules.ts";

/** A task to be carried out at given times. */
export interface WantedScheduledTask {
  readonly program: MessageInitShape<typeof ProgramSchema>;
  readonly schedule: WantedSchedule;
  readonly flowId: string;
  /** Empty when the caller gave none. */
  readonly idempotencyKey: string;
  /** Whether it is carried out at once, too, when it is by cron. */
  readonly triggerNow: boolean;
}

/** Stores a schedule of a task. */
export async function storeSchedule(wanted: WantedScheduledTask, finding: Finding): Promise<ScheduledTask> {
  const { clients, signal } = finding;
  const schedule = await stored(wanted, finding);
  if (wanted.triggerNow && wanted.schedule.kind === "cron") {
    const { scheduleId } = schedule;
    // Named after the schedule, so that a repeat triggers nothing a second time.
    await clients.scheduler.triggerSchedule(
      { scheduleId, requestId: `trigger-now-${scheduleId}` },
      { signal },
    );
  }
  return await withLastRun(schedule, finding);
}

async function stored(wanted: WantedScheduledTask, finding: Finding): Promise<Schedule> {
  const { program, flowId, idempotencyKey } = wanted;
  const { clients, signal } = finding;
  const labels = submissionLabels(flowId, idempotencyKey);
  const target = { kind: { case: "task", value: { program, labels } } } as const;
  try {
    const { schedule } = await asClientFields(
      async () =>
        await clients.scheduler.createSchedule(
          {
            schedule: { name: program.fileName ?? "", ...timesOf(wanted.schedule), target },
            requestId: idempotencyKey,
          },
          { signal },
        ),
    );
    if (schedule === undefined) throw new TypeError("a new schedule was not answered");
    return schedule;
  } catch (thrown) {
    if (fromConnectError(thrown).reason !== "REQUEST_ID_REUSED") throw thrown;
    // It is a repeat if it is of the same file: its upload has another id each time.
    const former = (await taskSchedules(finding)).find((schedule) => isLabelled(schedule, labels));
    if (former === undefined) throw thrown;
    return former;
  }
}

function isLabelled(schedule: Schedule, labels: Readonly<Record<string, string>>): boolean {
  const own = labelsOf(schedule);
  return Object.entries(labels).every(([name, value]) => own[name] === value);
}

/** The fields of a schedule that say when it fires. */
export function timesOf(
  wanted: WantedSchedule,
): Pick<MessageInitShape<typeof ScheduleSchema>, "timing" | "endsAt"> {
  const kind: MessageInitShape<typeof Schedule_TimingSchema>["kind"] =
    wanted.kind === "once"
      ? { case: "at", value: timestampFromDate(wanted.at) }
      : { case: "cron", value: wanted.cron };
  const endsAt = wanted.kind === "cron" ? wanted.endsAt : undefined;
  return { timing: { kind }, ...(endsAt && { endsAt: timestampFromDate(endsAt) }) };
}
