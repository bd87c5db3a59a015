/*
 * The bounds of schedules, as the comments in the contract state them, but for
 * what depends on stored workflows and on the time.
 */
import { create } from "@bufbuild/protobuf";
import { durationMs, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  CatchUpPolicy,
  OverlapPolicy,
  type Schedule,
} from "../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import {
  StartRunRequestSchema,
  SubmitTaskRequestSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { timesOf } from "../schedule.ts";
import { startFaults, submissionFaults } from "./validate.ts";

const maxNameLength = 200;
const minWindowMs = 1_000;
const maxWindowMs = 365 * 24 * 60 * 60 * 1_000;

/** The end of the year 9999: what comes later has no name in the contract. */
const maxTimeMs = 253_402_300_799_999;

/** What a client decides about a schedule, by the names of the contract. */
export const scheduleParts = [
  "name",
  "paused",
  "timing",
  "target",
  "overlap",
  "catch_up",
  "catch_up_window",
  "ends_at",
] as const;

export type SchedulePart = (typeof scheduleParts)[number];

/** What is wrong with these parts of a schedule; paths begin at the request. */
export function scheduleFaults(schedule: Schedule, parts: Iterable<SchedulePart>): FieldFault[] {
  return [...parts].flatMap((part) => faultsOfPart[part](schedule));
}

/** What is wrong with a schedule that is to be stored: it names what only we can say. */
export function givenFaults(schedule: Schedule): FieldFault[] {
  const given = {
    schedule_id: schedule.scheduleId !== "",
    next_firings: schedule.nextFirings.length > 0,
    last_firing_at: schedule.lastFiringAt !== undefined,
    created_at: schedule.createdAt !== undefined,
    last_run_id: schedule.lastRunId !== "",
    last_failure: schedule.lastFailure !== undefined,
    client_id: schedule.clientId !== "",
    updated_at: schedule.updatedAt !== undefined,
    starting: schedule.starting,
  };
  return Object.entries(given).flatMap(([name, isGiven]) => {
    return isGiven ? [invalid(`schedule.${name}`, "is not given by the caller")] : [];
  });
}

const faultsOfPart: Readonly<Record<SchedulePart, (schedule: Schedule) => FieldFault[]>> = {
  name({ name }) {
    const message = `is empty, longer than ${maxNameLength} characters or has a zero character`;
    const isGood = name !== "" && name.length <= maxNameLength && !name.includes("\0");
    return isGood ? [] : [invalid("schedule.name", message)];
  },

  paused: () => [],

  timing({ timing }) {
    const times = timesOf({ ...(timing && { timing }) });
    if ("fault" in times) return [invalid(`schedule.timing${times.at}`, times.fault)];
    if (timing?.kind.case !== "at") return [];
    const faults: FieldFault[] = [];
    if (!isTime(timing.kind.value)) faults.push(invalid("schedule.timing.at", noTime));
    if (timing.timeZone !== "") {
      faults.push(invalid("schedule.timing.time_zone", "belongs to a cron expression"));
    }
    return faults;
  },

  target({ target }) {
    switch (target?.kind.case) {
      case "workflow": {
        const { workflowId, workflowName, workflow, input, labels, priority } = target.kind.value;
        const source = { workflowId, workflowName, ...(workflow && { workflow }) };
        const request = create(StartRunRequestSchema, { ...source, input, labels, priority });
        return below("schedule.target.workflow.", startFaults(request));
      }
      case "task": {
        const { program, input, labels } = target.kind.value;
        const request = create(SubmitTaskRequestSchema, { ...(program && { program }), input, labels });
        return below("schedule.target.task.", submissionFaults(request));
      }
      default:
        return [invalid("schedule.target", "has neither a workflow nor a task")];
    }
  },

  overlap({ overlap }) {
    const known: readonly number[] = Object.values(OverlapPolicy);
    return known.includes(overlap) ? [] : [invalid("schedule.overlap", "is not a policy for overlaps")];
  },

  catch_up({ catchUp }) {
    const known: readonly number[] = Object.values(CatchUpPolicy);
    return known.includes(catchUp) ? [] : [invalid("schedule.catch_up", "is not a policy for catching up")];
  },

  catch_up_window({ catchUpWindow }) {
    if (catchUpWindow === undefined) return [];
    const ms = durationMs(catchUpWindow);
    return ms >= minWindowMs && ms <= maxWindowMs
      ? []
      : [invalid("schedule.catch_up_window", "is not from 1 s to 365 days")];
  },
  ends_at({ endsAt }) {
    return endsAt === undefined || isTime(endsAt) ? [] : [invalid("schedule.ends_at", noTime)];
  },
};

const noTime = "is not between the years 1970 and 9999";

function isTime(time: Timestamp): boolean {
  const ms = timestampDate(time).getTime();
  return ms > 0 && ms <= maxTimeMs;
}

function below(root: string, faults: readonly FieldFault[]): FieldFault[] {
  return faults.map((fault) => ({ ...fault, path: root + fault.path }));
}

function invalid(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}
