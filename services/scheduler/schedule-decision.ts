/*
 * What becomes of the firings of a schedule. Pure: the time, and which runs are
 * under way, are inputs.
 *
 *   D1. A nominal time is decided about once: everything up to `now` is behind
 *       the `nextAt` of the decision.
 *   D2. A firing is missed when it is more than 10 s late, or was due while the
 *       schedule was paused. Which of the missed ones are made up for is said by
 *       the catch-up policy; they go before those that are not missed.
 *   D3. What is to be started, whether it was missed or not, goes through the
 *       overlap policy, in order.
 *   D4. While a schedule is paused nothing is decided.
 */
import { before, lastTimes, latest, type Times } from "./schedule-times.ts";

/** How late a firing may be and is not missed. */
const onTimeMs = 10_000;

/** How many missed firings are made up for at most; the latest ones. */
const maxMadeUpFor = 1_000;

/** How many firings wait at most for the run before them to end. */
const maxWaiting = 100;

/** What is due while a run of the schedule is under way. */
export type Overlap = "skip" | "queue" | "cancel_old" | "allow";

/** What becomes of missed firings. */
export type CatchUp = "skip" | "latest" | "all";

/** A schedule, as far as its firings are concerned. */
export interface FiringState {
  readonly times: Times;
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  /** How old a missed firing may be to be made up for. */
  readonly catchUpWindowMs: number;
  readonly paused: boolean;
  /** The nominal time that is due next; undefined when it never fires again. */
  readonly nextAt: Date | undefined;
  /** When it was last set going again. */
  readonly resumedAt: Date | undefined;
  /** The latest nominal time that was decided about. */
  readonly lastFiringAt: Date | undefined;
  /** Nominal times that wait for the run before them to end, oldest first. */
  readonly waiting: readonly Date[];
}

/** What follows; it takes the place of what the schedule had. */
export interface FiringDecision {
  readonly nextAt: Date | undefined;
  readonly lastFiringAt: Date | undefined;
  readonly waiting: readonly Date[];
  /** Runs to be cancelled before anything is started. */
  readonly cancelling: readonly string[];
  /** Nominal times to be started now, oldest first. */
  readonly starting: readonly Date[];
}

/**
 * Decides about the firings that are due, and about those that wait. Undefined
 * when everything stays as it is. What was decided before must have been carried
 * out: `liveRunIds` names every run of the schedule that has not ended.
 */
export function decideFirings(
  schedule: FiringState,
  { now, liveRunIds }: { readonly now: Date; readonly liveRunIds: readonly string[] },
): FiringDecision | undefined {
  const { times, nextAt, paused, waiting } = schedule;
  if (paused) return undefined;
  const isDue = nextAt !== undefined && nextAt <= now;
  const canStart = waiting.length > 0 && liveRunIds.length === 0;
  if (!isDue && !canStart) return undefined;
  const wanted = isDue ? wantedTimes(schedule, { nextAt, now }) : [];
  const [lastDue] = isDue ? lastTimes(times, { from: nextAt, to: now, count: 1 }) : [];
  return {
    nextAt: isDue ? times.next(now) : nextAt,
    lastFiringAt: lastDue ?? schedule.lastFiringAt,
    ...started(schedule, { wanted, liveRunIds }),
  };
}

/** The nominal times from `nextAt` to `now` that are to be started, as far as catching up is concerned. */
function wantedTimes(
  { times, catchUp, catchUpWindowMs, resumedAt, waiting }: FiringState,
  { nextAt, now }: { readonly nextAt: Date; readonly now: Date },
): readonly Date[] {
  const afterPause = resumedAt && new Date(resumedAt.getTime() + 1);
  const onTimeFrom = latest(nextAt, new Date(now.getTime() - onTimeMs), afterPause);
  const inWindowFrom = latest(nextAt, new Date(now.getTime() - catchUpWindowMs));
  const count = { skip: 0, latest: 1, all: maxMadeUpFor }[catchUp];
  const missed = count === 0 ? [] : lastTimes(times, { from: inWindowFrom, to: before(onTimeFrom), count });
  const onTime = lastTimes(times, { from: onTimeFrom, to: now, count: maxMadeUpFor });
  // A time that waits comes again when it is set anew.
  const known = new Set(waiting.map((at) => at.getTime()));
  return [...missed, ...onTime].filter((at) => !known.has(at.getTime()));
}

/** What the overlap policy makes of the times that are to be started, and of those that wait. */
function started(
  { overlap, waiting }: FiringState,
  { wanted, liveRunIds }: { readonly wanted: readonly Date[]; readonly liveRunIds: readonly string[] },
): Pick<FiringDecision, "waiting" | "cancelling" | "starting"> {
  const isFree = liveRunIds.length === 0;
  // What waits may do so since the policy was another; it goes on as it began.
  const [freed, stillWaiting] = isFree ? [waiting.slice(0, 1), waiting.slice(1)] : [[], waiting];
  const asBefore = { starting: freed, waiting: stillWaiting, cancelling: [] };
  if (wanted.length === 0) return asBefore;
  switch (overlap) {
    case "skip":
      return isFree && waiting.length === 0 ? { ...asBefore, starting: wanted.slice(0, 1) } : asBefore;
    case "allow":
      return { ...asBefore, starting: [...freed, ...wanted] };
    case "cancel_old":
      // The others would be cancelled before they began.
      return { starting: wanted.slice(-1), waiting: [], cancelling: liveRunIds };
    case "queue": {
      const all = [...waiting, ...wanted];
      const count = isFree ? 1 : 0;
      return {
        starting: all.slice(0, count),
        waiting: all.slice(count, count + maxWaiting),
        cancelling: [],
      };
    }
  }
}
