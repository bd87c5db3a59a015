import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileCron } from "./core/cron.ts";
import {
  type CatchUp,
  decideFirings,
  type FiringDecision,
  type FiringState,
  type Overlap,
} from "./schedule-decision.ts";
import { once, type Times } from "./schedule-times.ts";

const minuteMs = 60_000;
const start = Date.parse("2026-01-01T00:00:00Z");

/** A time, in minutes and seconds from the start. */
const at = (minute: number, second = 0): Date => new Date(start + minute * minuteMs + second * 1_000);

/** Fires every so many minutes. */
const every = (minutes: number): Times => ({
  next(after) {
    const count = Math.floor((after.getTime() - start) / (minutes * minuteMs)) + 1;
    return new Date(start + count * minutes * minuteMs);
  },
});

const aSchedule = (more: Partial<FiringState> = {}): FiringState => ({
  times: every(1),
  overlap: "allow",
  catchUp: "latest",
  catchUpWindowMs: 60 * minuteMs,
  paused: false,
  nextAt: at(1),
  resumedAt: undefined,
  lastFiringAt: undefined,
  waiting: [],
  ...more,
});

const decided = (
  more: Partial<FiringState>,
  now: Date,
  liveRunIds: readonly string[] = [],
): FiringDecision => {
  const decision = decideFirings(aSchedule(more), { now, liveRunIds });
  if (decision === undefined) throw new Error("nothing was decided");
  return decision;
};

describe("decideFirings", () => {
  test("leaves a schedule alone that is not due, or paused", () => {
    expect(decideFirings(aSchedule(), { now: at(0, 59), liveRunIds: [] })).toBeUndefined();
    expect(decideFirings(aSchedule({ paused: true }), { now: at(9), liveRunIds: [] })).toBeUndefined();
    expect(decideFirings(aSchedule({ nextAt: undefined }), { now: at(9), liveRunIds: [] })).toBeUndefined();
  });

  test("starts what is due, and goes on with the next time", () => {
    expect(decided({}, at(1, 2))).toEqual({
      starting: [at(1)],
      nextAt: at(2),
      lastFiringAt: at(1),
      waiting: [],
      cancelling: [],
    });
  });

  test("never fires again when a single time is over", () => {
    expect(decided({ times: once(at(1)) }, at(1))).toMatchObject({ starting: [at(1)], nextAt: undefined });
  });

  describe("catching up", () => {
    test.each<[CatchUp, readonly Date[]]>([
      ["skip", [at(6)]],
      ["latest", [at(5), at(6)]],
      ["all", [at(3), at(4), at(5), at(6)]],
    ])("by %s", (catchUp, starting) => {
      // The first two are older than the window, the last is not missed.
      const decision = decided({ catchUp, catchUpWindowMs: 3 * minuteMs + 30_000 }, at(6, 10));
      expect(decision).toMatchObject({ starting, nextAt: at(7), lastFiringAt: at(6) });
    });

    test("takes a firing that is more than 10 s late for a missed one", () => {
      expect(decided({ catchUp: "skip" }, at(1, 10)).starting).toEqual([at(1)]);
      const late = decided({ catchUp: "skip" }, at(1, 11));
      expect(late).toMatchObject({ starting: [], nextAt: at(2), lastFiringAt: at(1) });
    });

    test("takes whatever was due during a pause for missed", () => {
      const resumedAt = at(5, 1);
      expect(decided({ catchUp: "skip", resumedAt }, at(5, 2)).starting).toEqual([]);
      expect(decided({ catchUp: "latest", resumedAt }, at(5, 2)).starting).toEqual([at(5)]);
      expect(decided({ catchUp: "skip", resumedAt, nextAt: at(6) }, at(6, 1)).starting).toEqual([at(6)]);
    });

    test("makes up for the latest 1,000 at most", () => {
      const { starting } = decided({ catchUp: "all", catchUpWindowMs: 10_000 * minuteMs }, at(5_000, 30));
      expect(starting).toHaveLength(1_000);
      expect(starting[0]).toEqual(at(4_001));
      expect(starting.at(-1)).toEqual(at(5_000));
    });
  });

  describe("overlapping", () => {
    const live = ["run"];
    const missed = { catchUp: "all", nextAt: at(1) } as const;

    test.each<[Overlap, CatchUp, Partial<FiringDecision>]>([
      ["skip", "skip", {}],
      ["skip", "latest", {}],
      ["skip", "all", {}],
      ["queue", "skip", { waiting: [at(3)] }],
      ["queue", "latest", { waiting: [at(2), at(3)] }],
      ["queue", "all", { waiting: [at(1), at(2), at(3)] }],
      ["cancel_old", "skip", { starting: [at(3)], cancelling: live }],
      ["cancel_old", "latest", { starting: [at(3)], cancelling: live }],
      ["cancel_old", "all", { starting: [at(3)], cancelling: live }],
      ["allow", "skip", { starting: [at(3)] }],
      ["allow", "latest", { starting: [at(2), at(3)] }],
      ["allow", "all", { starting: [at(1), at(2), at(3)] }],
    ])("by %s, catching up by %s", (overlap, catchUp, expected) => {
      const nothing = { starting: [], waiting: [], cancelling: [] };
      expect(decided({ overlap, catchUp }, at(3, 5), live)).toEqual({
        ...nothing,
        ...expected,
        nextAt: at(4),
        lastFiringAt: at(3),
      });
    });

    test.each<[Overlap, Partial<FiringDecision>]>([
      ["skip", { starting: [at(1)], waiting: [] }],
      ["queue", { starting: [at(1)], waiting: [at(2), at(3)] }],
      ["cancel_old", { starting: [at(3)], waiting: [] }],
      ["allow", { starting: [at(1), at(2), at(3)], waiting: [] }],
    ])("by %s when nothing is under way but several are due", (overlap, expected) => {
      expect(decided({ ...missed, overlap }, at(3, 5))).toMatchObject(expected);
    });

    test("starts what waited longest when the run before has ended, and no other", () => {
      const waiting = [at(1), at(2)];
      const schedule = { overlap: "queue", waiting, nextAt: at(4) } as const;
      expect(decideFirings(aSchedule(schedule), { now: at(3), liveRunIds: live })).toBeUndefined();
      expect(decided(schedule, at(3))).toMatchObject({
        starting: [at(1)],
        waiting: [at(2)],
        nextAt: at(4),
        lastFiringAt: undefined,
      });
      expect(decided({ ...schedule, paused: false, nextAt: undefined }, at(3)).starting).toEqual([at(1)]);
    });

    test("lets 100 wait at most", () => {
      const waiting = Array.from({ length: 99 }, (_, minute) => at(minute));
      const schedule = { overlap: "queue", catchUp: "all", waiting, nextAt: at(100) } as const;
      expect(decided(schedule, at(103), live).waiting).toEqual([...waiting, at(100)]);
    });

    test("lets what waits go on when the policy is another by then", () => {
      const waiting = [at(1), at(2)];
      const schedule = { waiting, nextAt: at(3) };
      expect(decided({ ...schedule, overlap: "skip" }, at(3))).toMatchObject({
        starting: [at(1)],
        waiting: [at(2)],
      });
      expect(decided({ ...schedule, overlap: "allow" }, at(3))).toMatchObject({
        starting: [at(1), at(3)],
        waiting: [at(2)],
      });
      expect(decided({ ...schedule, overlap: "allow" }, at(3), live)).toMatchObject({
        starting: [at(3)],
        waiting,
      });
    });
  });
});

describe("daylight saving", () => {
  /** Everything that is started when each minute is decided about as it comes. */
  function startedBetween(expression: string, from: string, to: string): string[] {
    const times = compileCron(expression, "Europe/Berlin");
    if ("fault" in times) throw new Error(times.fault);
    const end = new Date(to);
    const started: Date[] = [];
    let state = aSchedule({ times, nextAt: times.next(new Date(from)) });
    for (let now = new Date(from); now <= end; now = new Date(now.getTime() + minuteMs)) {
      const decision = decideFirings(state, { now, liveRunIds: [] });
      if (decision === undefined) continue;
      started.push(...decision.starting);
      state = { ...state, ...decision };
    }
    return started.map((each) => each.toISOString().slice(5, 16));
  }

  test("fires once a day when clocks are put forward or back", () => {
    // 2:30 is not there on March 29, and comes twice on October 25.
    expect(startedBetween("30 2 * * *", "2026-03-28T00:00Z", "2026-03-31T00:00Z")).toEqual([
      "03-28T01:30",
      "03-29T01:00",
      "03-30T00:30",
    ]);
    expect(startedBetween("30 2 * * *", "2026-10-24T00:00Z", "2026-10-27T00:00Z")).toEqual([
      "10-24T00:30",
      "10-25T00:30",
      "10-26T01:30",
    ]);
  });

  test("goes on evenly when it fires several times a day", () => {
    const hours = (day: string, from: number, count: number) =>
      Array.from({ length: count }, (_, index) => `${day}T${String(from + index).padStart(2, "0")}:00`);
    expect(startedBetween("0 * * * *", "2026-03-28T23:30Z", "2026-03-29T04:30Z")).toEqual(
      hours("03-29", 0, 5),
    );
    expect(startedBetween("0 * * * *", "2026-10-24T23:30Z", "2026-10-25T04:30Z")).toEqual(
      hours("10-25", 0, 5),
    );
  });
});

/** One step of a schedule's life. */
type Step =
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "run ends" }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.integer({ min: 1, max: 400 }).map((seconds) => ({ kind: "wait", seconds }) as const),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 400, max: 90_000 }).map((seconds) => ({ kind: "wait", seconds }) as const),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "run ends" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "pause" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "resume" } as const) },
);

const policies = fc.record({
  minutes: fc.integer({ min: 1, max: 90 }),
  overlap: fc.constantFrom<Overlap>("skip", "queue", "cancel_old", "allow"),
  catchUp: fc.constantFrom<CatchUp>("skip", "latest", "all"),
  catchUpWindowMs: fc.integer({ min: 1_000, max: 40 * 60 * minuteMs }),
});

/** Lives through steps; after each, what is due is decided about and carried out. Answers what was started, and each decision with its time. */
function live({ minutes, ...more }: FcValue<typeof policies>, steps: readonly Step[]) {
  const times = every(minutes);
  let state = aSchedule({ ...more, times, nextAt: times.next(at(0)) });
  let now = at(0);
  let runs: string[] = [];
  const started: Date[] = [];
  const decisions: { now: Date; before: FiringState; live: readonly string[]; decision: FiringDecision }[] =
    [];
  for (const each of steps) {
    if (each.kind === "wait") now = new Date(now.getTime() + each.seconds * 1_000);
    if (each.kind === "run ends") runs = runs.slice(1);
    if (each.kind === "pause") state = { ...state, paused: true };
    if (each.kind === "resume" && state.paused) state = { ...state, paused: false, resumedAt: now };
    const decision = decideFirings(state, { now, liveRunIds: runs });
    if (decision === undefined) continue;
    decisions.push({ now, before: state, live: runs, decision });
    runs = [...runs.filter((run) => !decision.cancelling.includes(run)), ...decision.starting.map(String)];
    started.push(...decision.starting);
    state = { ...state, ...decision };
  }
  return { started, decisions, state };
}

type FcValue<Of> = Of extends fc.Arbitrary<infer Value> ? Value : never;

describe("the life of a schedule", () => {
  const lives = fc.tuple(policies, fc.array(step, { maxLength: 60 }));

  test("starts no nominal time twice, and all in order", () => {
    fc.assert(
      fc.property(lives, ([policy, steps]) => {
        const started = live(policy, steps).started.map((each) => each.getTime());
        expect(started).toEqual([...new Set(started)].sort((a, b) => a - b));
      }),
    );
  });

  test("decides about every nominal time, once", () => {
    fc.assert(
      fc.property(lives, ([policy, steps]) => {
        const { decisions, state } = live(policy, steps);
        let nextAt = every(policy.minutes).next(at(0));
        for (const { before, decision, now } of decisions) {
          expect(before.nextAt).toEqual(nextAt);
          for (const each of [...decision.starting, ...decision.waiting]) {
            const isKnown = before.waiting.some((waiting) => waiting.getTime() === each.getTime());
            if (!isKnown) expect(each >= (before.nextAt ?? now) && each <= now).toBe(true);
          }
          nextAt = decision.nextAt;
        }
        expect(state.nextAt).toEqual(nextAt);
      }),
    );
  });

  test("loses none that the policies want", () => {
    fc.assert(
      fc.property(lives, ([policy, steps]) => {
        for (const { now, before, live: runs, decision } of live(policy, steps).decisions) {
          const due: Date[] = [];
          for (let each = before.nextAt; each && each <= now; each = before.times.next(each)) due.push(each);
          const lateMs = (each: Date) => now.getTime() - each.getTime();
          const isMissed = (each: Date) =>
            lateMs(each) > 10_000 || (before.resumedAt !== undefined && each <= before.resumedAt);
          const missed = due.filter((each) => isMissed(each) && lateMs(each) <= policy.catchUpWindowMs);
          const madeUpFor = { skip: [], latest: missed.slice(-1), all: missed.slice(-1_000) }[policy.catchUp];
          const wanted = [...madeUpFor, ...due.filter((each) => !isMissed(each))];
          const taken = [...decision.starting, ...decision.waiting];
          if (policy.overlap === "allow") expect(decision.starting).toEqual(wanted);
          if (policy.overlap === "queue")
            expect(taken).toEqual([...before.waiting, ...wanted].slice(0, taken.length));
          if (policy.overlap === "queue" && before.waiting.length + wanted.length <= 100) {
            expect(taken).toHaveLength(before.waiting.length + wanted.length);
          }
          if (policy.overlap === "skip")
            expect(decision.starting).toEqual(runs.length > 0 ? [] : wanted.slice(0, 1));
          if (policy.overlap === "cancel_old") expect(decision.starting).toEqual(wanted.slice(-1));
          const isCancelling = policy.overlap === "cancel_old" && wanted.length > 0;
          expect(decision.cancelling).toEqual(isCancelling ? runs : []);
          if (policy.overlap === "queue" && runs.length > 0) expect(decision.starting).toEqual([]);
        }
      }),
    );
  });
});
