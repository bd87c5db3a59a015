import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  CatchUpPolicy,
  OverlapPolicy,
  type Schedule as ScheduleMessage,
} from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { compileCron } from "./core/cron.ts";
import type { Failure } from "./core/event.ts";
import type { CatchUp, FiringState, Overlap } from "./schedule-decision.ts";
import { ending, once, type Times } from "./schedule-times.ts";

/** How old a missed firing may be when the schedule does not say. */
const defaultCatchUpWindowMs = 60 * 60 * 1_000;

/** A schedule as it is stored. */
export interface Schedule {
  readonly scheduleId: string;
  /** Its own and that of its runs. */
  readonly partition: number;
  readonly clientId: string;
  readonly name: string;
  /** The stored workflow that it starts by its id. */
  readonly workflowId: string | undefined;
  /** What the client said, less the file of a task. */
  readonly content: ScheduleMessage;
  readonly paused: boolean;
  readonly revision: number;
  readonly nextAt: Date | undefined;
  readonly resumedAt: Date | undefined;
  readonly lastFiringAt: Date | undefined;
  readonly lastRunId: string | undefined;
  readonly lastFailure: Failure | undefined;
  /** Nominal times that are to be started, oldest first. */
  readonly starting: readonly Date[];
  /** Nominal times that wait for the run before them to end, oldest first. */
  readonly waiting: readonly Date[];
  /** Runs that are to be cancelled before anything is started. */
  readonly cancelling: readonly string[];
  readonly createdAt: Date;
  /** When a request changed it last. */
  readonly updatedAt: Date;
}

/** When a schedule fires, until its end, or what is wrong with what it says, with the path within `timing`. */
export function timesOf({
  timing,
  endsAt,
}: Pick<ScheduleMessage, "timing" | "endsAt">):
  | { readonly times: Times }
  | { readonly fault: string; readonly at: string } {
  const timed = endlessTimesOf(timing);
  if ("fault" in timed || endsAt === undefined) return timed;
  return { times: ending(timed.times, timestampDate(endsAt)) };
}

function endlessTimesOf(
  timing: ScheduleMessage["timing"],
): { readonly times: Times } | { readonly fault: string; readonly at: string } {
  switch (timing?.kind.case) {
    case "at":
      return { times: once(timestampDate(timing.kind.value)) };
    case "cron": {
      const timeZone = timing.timeZone || "UTC";
      const cron = compileCron(timing.kind.value, timeZone);
      if (!("fault" in cron)) return { times: cron };
      const isZoneAtFault = "fault" in compileCron("* * * * *", timeZone);
      return { fault: cron.fault, at: isZoneAtFault ? ".time_zone" : ".cron" };
    }
    default:
      return { fault: "has neither a cron expression nor a time", at: "" };
  }
}

/** What is decided on about a schedule's firings, given when it fires. */
export function firingStateOf(schedule: Schedule, times: Times): FiringState {
  const { content, paused, nextAt, resumedAt, lastFiringAt, waiting } = schedule;
  return { times, ...policiesOf(content), paused, nextAt, resumedAt, lastFiringAt, waiting };
}

/** The policies of a schedule, with the defaults for what is unset. */
export function policiesOf({
  overlap,
  catchUp,
  catchUpWindow,
}: Pick<ScheduleMessage, "overlap" | "catchUp" | "catchUpWindow">): Pick<
  FiringState,
  "overlap" | "catchUp" | "catchUpWindowMs"
> {
  return {
    overlap: overlapOf[overlap] ?? "skip",
    catchUp: catchUpOf[catchUp] ?? "latest",
    catchUpWindowMs: catchUpWindow === undefined ? defaultCatchUpWindowMs : durationMs(catchUpWindow),
  };
}

const overlapOf: Readonly<Partial<Record<OverlapPolicy, Overlap>>> = {
  [OverlapPolicy.UNSPECIFIED]: "skip",
  [OverlapPolicy.SKIP]: "skip",
  [OverlapPolicy.QUEUE]: "queue",
  [OverlapPolicy.CANCEL_OLD]: "cancel_old",
  [OverlapPolicy.ALLOW]: "allow",
};

const catchUpOf: Readonly<Partial<Record<CatchUpPolicy, CatchUp>>> = {
  [CatchUpPolicy.UNSPECIFIED]: "latest",
  [CatchUpPolicy.SKIP]: "skip",
  [CatchUpPolicy.LATEST]: "latest",
  [CatchUpPolicy.ALL]: "all",
};
