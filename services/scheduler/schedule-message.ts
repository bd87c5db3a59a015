import { clone, create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Schedule as ScheduleMessage,
  ScheduleSchema,
} from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { failureMessage } from "./run-message.ts";
import { type Schedule, timesOf } from "./schedule.ts";
import { firstTimes } from "./schedule-times.ts";

/** How many of the next firings are told. */
const maxNextFirings = 10;

/** A schedule as lists show it: without its next firings and the file of its task. */
export function scheduleMessage(schedule: Schedule): ScheduleMessage {
  const { content, createdAt, updatedAt, lastFiringAt, lastRunId, lastFailure, starting, waiting } = schedule;
  return create(ScheduleSchema, {
    ...clone(ScheduleSchema, content),
    scheduleId: schedule.scheduleId,
    name: schedule.name,
    paused: schedule.paused,
    clientId: schedule.clientId,
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
    ...(lastFiringAt && { lastFiringAt: timestampFromDate(lastFiringAt) }),
    lastRunId: lastRunId ?? "",
    starting: starting.length + waiting.length > 0,
    ...(lastFailure && { lastFailure: failureMessage(lastFailure) }),
  });
}

/** A schedule as it stands, with its next firings, and the file of its task. */
export function wholeScheduleMessage(schedule: Schedule, program: Uint8Array | undefined): ScheduleMessage {
  const message = scheduleMessage(schedule);
  const target = message.target?.kind;
  if (target?.case === "task" && target.value.program !== undefined && program !== undefined) {
    target.value.program.content = program;
  }
  message.nextFirings = nextFirings(schedule).map(timestampFromDate);
  return message;
}

function nextFirings({ paused, nextAt, content }: Schedule): readonly Date[] {
  const timing = timesOf(content);
  if (paused || nextAt === undefined || "fault" in timing) return [];
  return firstTimes(timing.times, { from: nextAt, count: maxNextFirings });
}
