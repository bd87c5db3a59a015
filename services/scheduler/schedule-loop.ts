/*
 * Conducts the schedules of the partitions owned here.
 *
 *   F1. What becomes of the nominal times up to now is decided and written in one
 *       statement, on the schedule as it was read, under a check of the
 *       partition's epoch; so each is decided about once, by one replica.
 *   F2. What is decided is carried out until that is noted: first what is to be
 *       cancelled, then what is to be started, in order. A crash anywhere repeats
 *       it; a run's id follows from schedule and nominal time, so a second start
 *       finds the run, and a second cancel the cancelled run.
 *   F3. Nothing is decided about a schedule while something of it is not carried
 *       out. So every run of its firings is stored by then, and none is taken for
 *       one that overlaps itself.
 *   F4. A start that is refused is noted, and the schedule goes on. One that
 *       fails otherwise is tried again: through every outage, and when it is a
 *       defect of ours until the firing is older than the catch-up window.
 *   F5. The time that decides is the database's, read with what it decides on.
 *   F6. Aborting `signal` ends the loop when its turn is over.
 */
import { create } from "@bufbuild/protobuf";
import { ExecuteRequestSchema } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import { CancelRunRequestSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import { DomainError, type Reason } from "../../lib/errors/domain-error.ts";
import type { Logger } from "../../lib/log/log.ts";
import { DatabaseError } from "../../lib/postgres/errors.ts";
import type { Commands } from "./commands.ts";
import type { Failure } from "./core/event.ts";
import type { Run } from "./core/run.ts";
import type { Claim } from "./partition-store.ts";
import { firingStateOf, policiesOf, type Schedule, timesOf } from "./schedule.ts";
import { decideFirings } from "./schedule-decision.ts";
import type {
  CarriedOut,
  DecidedSchedule,
  DueSchedule,
  ScheduleFiringStore,
} from "./schedule-firing-store.ts";
import { runOfFiring, type ScheduleStarts, startCommand } from "./schedule-start.ts";

/** Between two readings when nothing is known to be due earlier. */
const idleMs = 1_000;

/** How many schedules are read at once; each is half a megabyte at most. */
const schedulesPerTurn = 100;

/** How many firings of one schedule are started in a turn, so that others have theirs. */
const startsPerTurn = 50;

/** How many schedules are carried out at a time; a task's file of 5 MiB is held for each. */
const concurrency = 16;

/** Refusals that say nothing about what is refused. */
const passing: ReadonlySet<Reason> = new Set([
  "OWNER_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "BROKER_UNAVAILABLE",
  "SERVICE_UNAVAILABLE",
]);

export interface ScheduleLoop {
  readonly incarnation: string;
  readonly claims: ReadonlyMap<number, Claim>;
  readonly store: ScheduleFiringStore;
  readonly commands: Pick<Commands, "execute">;
  readonly starts: ScheduleStarts;
  /** Folds one run from history; undefined when there is none. */
  readonly load: (runId: string) => Promise<Run | undefined>;
  readonly log: Logger;
}

export async function scheduleLoop(loop: ScheduleLoop, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
  while (!signal.aborted) {
    try {
      await delay(await turn(loop), signal);
      backoff.reset();
    } catch (error) {
      loop.log[backoff.failures === 0 ? "debug" : "warn"]({ err: error }, "schedules not conducted");
      await backoff.wait(signal);
    }
  }
}

/** One turn; answers how long there is nothing to do, in milliseconds. */
async function turn(loop: ScheduleLoop): Promise<number> {
  const { incarnation, store } = loop;
  const claims = [...loop.claims.values()];
  if (claims.length === 0) return idleMs;
  const partitions = claims.map(({ partition }) => partition);
  const { now, due, nextInMs } = await store.due({ partitions, limit: schedulesPerTurn });
  const decided = due.flatMap((each) => decidedOn(each, now) ?? []);
  const written =
    decided.length === 0 ? new Set<string>() : await store.decide({ incarnation, claims, decided });
  const toCarryOut = due.flatMap(({ schedule }) => {
    if (isUnderWay(schedule)) return [schedule];
    const own = decided.find((each) => each.schedule === schedule);
    return own !== undefined && written.has(schedule.scheduleId) ? [{ ...schedule, ...own.decision }] : [];
  });
  const results = await carryOutAll(loop, { schedules: toCarryOut.filter(isUnderWay), now });
  if (results.length > 0) await store.carriedOut({ incarnation, claims, results });
  return written.size > 0 || results.length > 0 ? 0 : nextInMs;
}

/** Whether something that was decided is not carried out. */
function isUnderWay({ starting, cancelling }: Pick<Schedule, "starting" | "cancelling">): boolean {
  return starting.length > 0 || cancelling.length > 0;
}

function decidedOn({ schedule, liveRunIds }: DueSchedule, now: Date): DecidedSchedule | undefined {
  if (isUnderWay(schedule)) return undefined;
  const timing = timesOf(schedule.content);
  if ("fault" in timing) {
    // It was checked when it was stored; only another version of this code, or of the time zones, refuses it.
    const { lastFiringAt } = schedule;
    const message = `its times can not be told any more: ${timing.fault}`;
    const decision = { nextAt: undefined, lastFiringAt, waiting: [], cancelling: [], starting: [] };
    return { schedule, decision, failure: { reason: "FIELD_INVALID", message, nodeId: "" } };
  }
  const decision = decideFirings(firingStateOf(schedule, timing.times), { now, liveRunIds });
  return decision && { schedule, decision };
}

/** Carries out what was decided, and answers what there is to note. */
async function carryOutAll(
  loop: ScheduleLoop,
  { schedules, now }: { readonly schedules: readonly Schedule[]; readonly now: Date },
): Promise<CarriedOut[]> {
  const results: CarriedOut[] = [];
  const rest = schedules.values();
  const carriers = Array.from({ length: Math.min(concurrency, schedules.length) }, async () => {
    for (const schedule of rest) results.push(await carryOut(loop, { schedule, now }));
  });
  await Promise.all(carriers);
  return results.filter(({ dealtWith, cancelled }) => dealtWith.length > 0 || cancelled.length > 0);
}

/** Carries out what was decided on one schedule, as far as it goes. Never rejects. */
async function carryOut(
  loop: ScheduleLoop,
  { schedule, now }: { readonly schedule: Schedule; readonly now: Date },
): Promise<CarriedOut> {
  const { scheduleId, cancelling, starting } = schedule;
  const dealtWith: Date[] = [];
  let last: CarriedOut["last"];
  const cancels = await Promise.all(
    cancelling.map(async (runId) => ((await cancel(loop, schedule, runId)) ? [runId] : [])),
  );
  const cancelled = cancels.flat();
  if (cancelled.length < cancelling.length) return { scheduleId, cancelled, dealtWith, last };
  for (const at of starting.slice(0, startsPerTurn)) {
    const outcome = await start(loop, { schedule, at, now });
    if (outcome === undefined) break;
    dealtWith.push(at);
    last = outcome;
  }
  return { scheduleId, cancelled, dealtWith, last };
}

/** Asks for the end of a run; answers whether that is stored, or there is nothing to end. */
async function cancel(
  { commands, log }: ScheduleLoop,
  { scheduleId, clientId }: Schedule,
  runId: string,
): Promise<boolean> {
  const command = { case: "cancelRun", value: create(CancelRunRequestSchema, { runId }) } as const;
  const requestId = `schedule ${scheduleId}`;
  try {
    await commands.execute(create(ExecuteRequestSchema, { runId, clientId, requestId, command }));
    return true;
  } catch (error) {
    if (error instanceof DomainError && error.reason === "RUN_NOT_FOUND") return true;
    log.debug({ err: error, scheduleId, runId }, "run of a schedule not cancelled");
    return false;
  }
}

/** Starts a firing: the run, or why there is none; undefined when it is to be tried again. */
async function start(
  { commands, starts, load, log }: ScheduleLoop,
  { schedule, at, now }: { readonly schedule: Schedule; readonly at: Date; readonly now: Date },
): Promise<CarriedOut["last"]> {
  const { scheduleId, content } = schedule;
  const { runId, ...run } = runOfFiring(schedule, at);
  try {
    try {
      await commands.execute(await startCommand(starts, schedule, { runId, ...run }));
      return { runId };
    } catch (error) {
      if (!(error instanceof DomainError) || passing.has(error.reason)) throw error;
      // A try that was cut off may have started it, before what it starts was changed or the run deleted.
      const isStarted = error.reason === "RUN_NOT_FOUND" || (await load(runId)) !== undefined;
      return isStarted ? { runId } : { failure: failureOf(error.reason, error.message) };
    }
  } catch (error) {
    const isOutage = error instanceof DomainError || error instanceof DatabaseError;
    const isGivenUp = !isOutage && now.getTime() - at.getTime() > policiesOf(content).catchUpWindowMs;
    log[isGivenUp ? "error" : "debug"]({ err: error, scheduleId, runId }, "firing not started");
    return isGivenUp ? { failure: failureOf("INTERNAL", "the log of the scheduler says why") } : undefined;
  }
}

function failureOf(reason: string, message: string): Failure {
  return { reason, message, nodeId: "" };
}
