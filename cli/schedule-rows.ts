import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Schedule, ScheduleSchema } from "../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { failureText } from "./outcome.ts";
import type { Shown } from "./output-format.ts";
import { catchUpPolicies, overlapPolicies } from "./schedule-options.ts";
import { ago, durationText } from "./times.ts";

/** A schedule as `schedule get` and those that change it show it. */
export function shownSchedule(schedule: Schedule): Shown<typeof ScheduleSchema> {
  const { scheduleId, name, paused, overlap, catchUp, catchUpWindow, nextFirings } = schedule;
  const { lastFiringAt, lastRunId, lastFailure } = schedule;
  const now = new Date();
  return {
    schema: ScheduleSchema,
    message: schedule,
    names: [scheduleId],
    headings: ["SCHEDULE", scheduleId],
    rows: [
      ["name", name],
      ["state", paused ? "paused" : "active"],
      ["when", timingText(schedule)],
      ["starts", targetText(schedule)],
      ["overlap", wordOf(overlapPolicies, overlap) ?? "skip"],
      ["catch up", `${wordOf(catchUpPolicies, catchUp) ?? "latest"}${windowText(catchUpWindow)}`],
      ...nextFirings.map((at, index) => [index === 0 ? "next" : "", timestampDate(at).toISOString()]),
      ...(lastFiringAt === undefined ? [] : [["last", ago(lastFiringAt, now)]]),
      ...(lastRunId === "" ? [] : [["last run", lastRunId]]),
      ...(lastFailure === undefined ? [] : [["failure", failureText(lastFailure)]]),
    ],
  };
}

/** When it fires: `0 3 * * * Europe/Berlin`, or a time. */
export function timingText({ timing }: Schedule): string {
  if (timing?.kind.case === "cron") return `${timing.kind.value} ${timing.timeZone || "UTC"}`;
  return timing?.kind.case === "at" ? `at ${timestampDate(timing.kind.value).toISOString()}` : "never";
}

/** What it starts: `workflow nightly`, `task hello.py`. */
export function targetText({ target }: Schedule): string {
  if (target?.kind.case === "task") return `task ${target.kind.value.program?.fileName ?? ""}`;
  if (target?.kind.case !== "workflow") return "nothing";
  const { workflowName, workflowId, workflow } = target.kind.value;
  return `workflow ${workflowName || workflow?.name || workflowId}`;
}

function windowText(window: Schedule["catchUpWindow"]): string {
  return window === undefined ? "" : ` within ${durationText(window)}`;
}

function wordOf(words: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.entries(words).find(([, candidate]) => candidate === value)?.[0];
}
