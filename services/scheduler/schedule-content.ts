/*
 * What becomes of a schedule as clients store and change it. Pure: the time is
 * an input.
 */
import { clone, create, equals } from "@bufbuild/protobuf";
import {
  Schedule_TimingSchema,
  type Schedule as ScheduleMessage,
  ScheduleSchema,
} from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { TaskProgram } from "./program-env.ts";
import { policiesOf, type Schedule, timesOf } from "./schedule.ts";
import { decideFirings } from "./schedule-decision.ts";
import type { ScheduleContent } from "./schedule-store.ts";
import { before } from "./schedule-times.ts";

/** The content of a schedule that is stored. Throws `FIELD_INVALID` when it would never fire. `workflowId` is the stored workflow that it starts by its id. */
export function newContent(
  given: ScheduleMessage,
  { workflowId, now }: { readonly workflowId: string | undefined; readonly now: Date },
): ScheduleContent {
  const { name, paused } = given;
  const nextAt = firstFiring(given, now);
  return { name, paused, nextAt, resumedAt: undefined, workflowId, ...targetOf(given, workflowId) };
}

/** The content of a schedule after a change of some parts. When its timing changes it goes on from `now`. Throws `FIELD_INVALID` when it would never fire. */
export function changedContent(
  current: Schedule,
  {
    given,
    parts,
    workflowId,
    now,
  }: {
    readonly given: ScheduleMessage;
    readonly parts: ReadonlySet<string>;
    /** The stored workflow that a new target starts by its id. */
    readonly workflowId: string | undefined;
    readonly now: Date;
  },
): ScheduleContent {
  const merged = create(ScheduleSchema, {
    ...current.content,
    name: parts.has("name") ? given.name : current.name,
    paused: parts.has("paused") ? given.paused : current.paused,
    overlap: parts.has("overlap") ? given.overlap : current.content.overlap,
    catchUp: parts.has("catch_up") ? given.catchUp : current.content.catchUp,
  });
  if (parts.has("timing")) Object.assign(merged, { timing: given.timing });
  if (parts.has("target")) Object.assign(merged, { target: given.target });
  if (parts.has("ends_at")) Object.assign(merged, { endsAt: given.endsAt });
  if (parts.has("catch_up_window")) Object.assign(merged, { catchUpWindow: given.catchUpWindow });
  const { name, paused } = merged;
  const resumedAt = current.paused && !paused ? now : current.resumedAt;
  const nextAt = isOtherTiming(current.content, merged)
    ? firstFiring(merged, now)
    : nextWithEnd(current, merged, now);
  const target = parts.has("target")
    ? { workflowId, ...targetOf(merged, workflowId) }
    : { workflowId: current.workflowId, content: merged, program: undefined };
  return { name, paused, nextAt, resumedAt, ...target };
}

function isOtherTiming(before: ScheduleMessage, after: ScheduleMessage): boolean {
  if (before.timing === undefined || after.timing === undefined) return before.timing !== after.timing;
  return !equals(Schedule_TimingSchema, before.timing, after.timing);
}

/** When a schedule fires next of which the timing stays, and perhaps not the end: one that had ended goes on from `now`. */
function nextWithEnd({ nextAt, content }: Schedule, merged: ScheduleMessage, now: Date): Date | undefined {
  const { endsAt } = merged;
  const isSameEnd = endsAt?.seconds === content.endsAt?.seconds && endsAt?.nanos === content.endsAt?.nanos;
  if (isSameEnd) return nextAt;
  const timing = timesOf(merged);
  if ("fault" in timing) return nextAt;
  return timing.times.next(nextAt === undefined ? now : before(nextAt));
}

/** When a schedule that is stored, or gets another timing, fires first. */
function firstFiring(given: ScheduleMessage, now: Date): Date {
  const timing = timesOf(given);
  if ("fault" in timing) throw neverFires(timing.at, timing.fault);
  const { times } = timing;
  const isOnce = given.timing?.kind.case === "at";
  const nextAt = times.next(isOnce ? new Date(0) : now);
  if (nextAt === undefined)
    throw neverFires(isOnce ? ".at" : ".cron", "never comes before the schedule ends");
  if (nextAt > now) return nextAt;
  const fresh = { paused: false, nextAt, resumedAt: undefined, lastFiringAt: undefined, waiting: [] };
  const decision = decideFirings({ times, ...policiesOf(given), ...fresh }, { now, liveRunIds: [] });
  if (decision?.starting.length === 1) return nextAt;
  throw neverFires(".at", "is further in the past than missed firings are made up for");
}

function neverFires(at: string, message: string): DomainError {
  return DomainError.ofFaults([{ path: `schedule.timing${at}`, reason: "FIELD_INVALID", message }]);
}

/** What is stored of a schedule's target: an inline workflow by its id, the file of a task and its environment apart. */
function targetOf(
  given: ScheduleMessage,
  workflowId: string | undefined,
): { readonly content: ScheduleMessage; readonly program: TaskProgram | undefined } {
  const content = clone(ScheduleSchema, given);
  const target = content.target?.kind;
  if (target?.case === "workflow" && target.value.workflow !== undefined) {
    target.value.workflowId = workflowId ?? "";
    delete target.value.workflow;
  }
  if (target?.case !== "task" || target.value.program === undefined) return { content, program: undefined };
  const { content: file, env } = target.value.program;
  target.value.program.content = new Uint8Array();
  target.value.program.env = {};
  return { content, program: { content: file, env } };
}
