import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { ExecuteRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import { OverlapPolicy, ScheduleSchema } from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { logger } from "../../lib/log/log.ts";
import { DatabaseError } from "../../lib/postgres/errors.ts";
import { until } from "../../test/support/until.ts";
import type { Schedule } from "./schedule.ts";
import type { CarriedOut, DecidedSchedule, ScheduleFiringStore } from "./schedule-firing-store.ts";
import { scheduleLoop } from "./schedule-loop.ts";
import { runOfFiring } from "./schedule-start.ts";

const minuteMs = 60_000;
const now = new Date("2026-01-01T12:00:01Z");
const due = new Date("2026-01-01T12:00:00Z");

const aSchedule = (more: Partial<Schedule> = {}): Schedule => ({
  scheduleId: "00000007-0000-8000-8000-000000000000",
  partition: 7,
  clientId: "alice",
  name: "s",
  workflowId: "w",
  content: create(ScheduleSchema, {
    overlap: OverlapPolicy.CANCEL_OLD,
    timing: { kind: { case: "cron", value: "* * * * *" } },
    target: { kind: { case: "workflow", value: { workflowId: "w" } } },
  }),
  paused: false,
  revision: 0,
  nextAt: due,
  resumedAt: undefined,
  lastFiringAt: undefined,
  lastRunId: undefined,
  lastFailure: undefined,
  starting: [],
  waiting: [],
  cancelling: [],
  createdAt: now,
  updatedAt: now,
  ...more,
});

/** One schedule as the store would keep it, and whoever carries commands out. */
function aWorld(
  schedule: Schedule,
  { liveRunIds = [], execute }: { liveRunIds?: string[]; execute: (request: ExecuteRequest) => void },
) {
  const state = { schedule, dealtWith: [] as CarriedOut[], failure: undefined as string | undefined };
  const executed: string[] = [];
  const store: ScheduleFiringStore = {
    async due() {
      const { starting, cancelling, nextAt } = state.schedule;
      const isDue = starting.length > 0 || cancelling.length > 0 || (nextAt !== undefined && nextAt <= now);
      return { now, nextInMs: 1, due: isDue ? [{ schedule: state.schedule, liveRunIds }] : [] };
    },
    async decide({ decided }: { decided: readonly DecidedSchedule[] }) {
      for (const { decision, failure } of decided) {
        state.schedule = { ...state.schedule, ...decision };
        state.failure = failure?.message;
      }
      return new Set(decided.map((each) => each.schedule.scheduleId));
    },
    async carriedOut({ results }) {
      state.dealtWith.push(...results);
      const dealtWith = results.flatMap((each) => each.dealtWith);
      const cancelled = results.flatMap((each) => each.cancelled);
      const { starting, cancelling } = state.schedule;
      state.schedule = {
        ...state.schedule,
        starting: starting.filter((at) => !dealtWith.includes(at)),
        cancelling: cancelling.filter((runId) => !cancelled.includes(runId)),
      };
    },
    program: async () => undefined,
  };
  return {
    state,
    executed,
    async conductUntil(what: string, holds: () => boolean): Promise<void> {
      const stop = new AbortController();
      const conducting = scheduleLoop(
        {
          incarnation: "i",
          claims: new Map([[7, { partition: 7, epoch: 1 }]]),
          store,
          commands: {
            async execute(request) {
              executed.push(`${request.command.case} ${request.runId}`);
              execute(request);
            },
          },
          starts: {
            find: async () => ({ workflowId: "w", workflowVersion: "1" }),
            programOf: async () => undefined,
          },
          load: async () => undefined,
          log: logger("test", "silent"),
        },
        stop.signal,
      );
      try {
        await until(what, holds);
      } finally {
        stop.abort();
        await conducting;
      }
    },
  };
}

const isDone = ({ schedule }: { readonly schedule: Schedule }) => {
  return schedule.starting.length === 0 && schedule.cancelling.length === 0 && schedule.nextAt !== due;
};

describe("scheduleLoop", () => {
  const firing = runOfFiring(aSchedule(), due).runId;

  test("cancels before it starts, and notes both", async () => {
    const all = aWorld(aSchedule(), { liveRunIds: ["old"], execute: () => undefined });
    await all.conductUntil("it has fired", () => isDone(all.state));
    expect(all.executed).toEqual(["cancelRun old", `startRun ${firing}`]);
    expect(all.state.dealtWith).toMatchObject([{ cancelled: ["old"], last: { runId: firing } }]);
  });

  test("starts nothing before everything that it takes the place of is cancelled", async () => {
    let refusals = 2;
    const all = aWorld(aSchedule(), {
      liveRunIds: ["old", "gone"],
      execute({ runId, command }) {
        if (runId === "gone") throw new DomainError("RUN_NOT_FOUND", "deleted meanwhile");
        if (command.case !== "cancelRun" || refusals === 0) return;
        refusals -= 1;
        throw new DomainError("OWNER_UNAVAILABLE", "away");
      },
    });
    await all.conductUntil("it has fired", () => isDone(all.state));
    const cancels = all.executed.filter((each) => each === "cancelRun old");
    expect(cancels).toHaveLength(3);
    expect(all.executed.at(-1)).toBe(`startRun ${firing}`);
  });

  test("carries out after a crash what was decided before it, whatever is under way by then", async () => {
    const before = aSchedule({ starting: [due], cancelling: ["old"], nextAt: undefined });
    const all = aWorld(before, { liveRunIds: ["old", firing], execute: () => undefined });
    await all.conductUntil("it is carried out", () => isDone(all.state));
    expect(all.executed).toEqual(["cancelRun old", `startRun ${firing}`]);
  });

  test("tries again through outages, however old the firing is", async () => {
    const outages = [
      new DomainError("OWNER_UNAVAILABLE", "away"),
      new DatabaseError("closed", { code: "CONNECTION_CLOSED", phase: "statement" }),
    ];
    const old = new Date(now.getTime() - 600 * minuteMs);
    const all = aWorld(aSchedule({ starting: [old], nextAt: undefined }), {
      execute() {
        const outage = outages.pop();
        if (outage !== undefined) throw outage;
      },
    });
    await all.conductUntil("it has fired", () => all.state.schedule.starting.length === 0);
    expect(all.state.dealtWith).toMatchObject([{ last: { runId: runOfFiring(aSchedule(), old).runId } }]);
    expect(all.executed.length).toBeGreaterThanOrEqual(3);
  });

  test.each([
    [
      "refused",
      due,
      new DomainError("FIELD_INVALID", "the input is not as the workflow wants it"),
      "FIELD_INVALID",
    ],
    // An hour is the default of the window.
    [
      "a defect of ours for too long",
      new Date(now.getTime() - 61 * minuteMs),
      new Error("defect"),
      "INTERNAL",
    ],
  ])("notes a start that is %s, and goes on", async (_, at, thrown, reason) => {
    const all = aWorld(aSchedule({ starting: [at], nextAt: undefined }), {
      execute() {
        throw thrown;
      },
    });
    await all.conductUntil("it is dealt with", () => all.state.schedule.starting.length === 0);
    expect(all.state.dealtWith).toMatchObject([{ dealtWith: [at], last: { failure: { reason } } }]);
    expect(all.executed).toHaveLength(1);
  });

  test("tries a recent firing again after a defect, and takes one that was started and deleted for started", async () => {
    const thrown = [new DomainError("RUN_NOT_FOUND", "deleted"), new Error("defect")];
    const all = aWorld(aSchedule({ starting: [due], nextAt: undefined }), {
      execute() {
        const next = thrown.pop();
        if (next !== undefined) throw next;
      },
    });
    await all.conductUntil("it is dealt with", () => all.state.schedule.starting.length === 0);
    expect(all.state.dealtWith[0]).toMatchObject({ last: { runId: firing } });
    expect(thrown).toEqual([]);
  });

  test("stops a schedule whose times can not be told any more, and says why", async () => {
    const content = create(ScheduleSchema, { timing: { kind: { case: "cron", value: "of newer code" } } });
    const all = aWorld(aSchedule({ content, waiting: [due] }), { execute: () => undefined });
    await all.conductUntil("it is decided", () => isDone(all.state));
    expect(all.state.schedule).toMatchObject({ nextAt: undefined, waiting: [] });
    expect(all.state.failure).toContain("its times can not be told any more");
    expect(all.executed).toEqual([]);
  });
});
