import { create } from "@bufbuild/protobuf";
import { describe, expect, test, vi } from "vitest";
import { AssignmentSchema, type Report } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { logger } from "../../lib/log/log.ts";
import { decodeReport } from "../../lib/streams/report-stream.ts";
import { Attempt, type AttemptHost } from "./attempt.ts";
import { Budget } from "./budget.ts";
import type { Handler, LeasedTask } from "./handlers/handler.ts";
import { TranscriptWriter } from "./transcript-writer.ts";

const output = Buffer.from("null");

function attempt(lease = { leaseMs: 30_000, marginMs: 5_000 }) {
  const broker = new MemoryBroker();
  const workerBudget = new Budget(1_000_000);
  const sent: Report[] = [];
  const told: string[] = [];
  const host: AttemptHost = {
    workerId: "w",
    incarnation: "i",
    lease,
    log: logger("test", "silent"),
    send: ({ body }) => void sent.push(decodeReport(body)),
    transcript: (of) => new TranscriptWriter({ ...of, broker, workerBudget }),
    over: () => void told.push("over"),
    forgotten: () => void told.push("forgotten"),
  };
  const assignment = create(AssignmentSchema, { taskId: "t", runId: "r", attempt: 1, handler: "h" });
  return { made: new Attempt(assignment, host), sent, told };
}

/** A leased handler that waits to be told how to end. */
function leased() {
  const begun = Promise.withResolvers<LeasedTask>();
  const end = Promise.withResolvers<void>();
  const handler: Handler = {
    kind: "leased",
    slots: "program",
    run: async (task) => {
      begun.resolve(task);
      task.started();
      await end.promise;
      return { kind: "completed", output };
    },
  };
  return { handler, begun: begun.promise, end: end.resolve };
}

const kinds = (sent: readonly Report[]): string[] => sent.map(({ number, fact }) => `${number} ${fact.case}`);

describe("a short attempt", () => {
  test("ends in the turn in which it begins, and is forgotten when that is confirmed", () => {
    const { made, sent, told } = attempt();
    made.begin({ kind: "short", run: () => ({ kind: "completed", output }) });
    expect(kinds(sent)).toEqual(["1 ended"]);
    expect(told).toEqual(["over"]);
    made.confirm(1);
    made.confirm(1);
    expect(told).toEqual(["over", "forgotten"]);
  });

  test("fails when its handler throws", async () => {
    for (const run of [
      () => {
        throw new Error("boom");
      },
      async () => await Promise.reject(new Error("boom")),
    ]) {
      const { made, sent } = attempt();
      made.begin({ kind: "short", run });
      await expect
        .poll(() => sent[0]?.fact.value)
        .toMatchObject({ outcome: { value: { reason: "HANDLER_FAILED" } } });
    }
  });

  test("says nothing more when its lease is lost at work", async () => {
    const { made, sent, told } = attempt();
    const end = Promise.withResolvers<void>();
    made.begin({
      kind: "short",
      run: () => end.promise.then(() => ({ kind: "completed", output }) as const),
    });
    made.abandon("lost");
    expect(made.held).toBeUndefined();
    expect(made.signal.reason).toBe("lost");
    end.resolve();
    await expect.poll(() => told).toEqual(["forgotten", "over"]);
    expect(sent).toEqual([]);
  });
});

describe("a leased attempt", () => {
  test("begins only with its grant, and ends with numbered reports", async () => {
    const { made, sent, told } = attempt();
    const { handler, begun, end } = leased();
    made.begin(handler);
    expect(made.held).toMatchObject({ awaitsGrant: true, reported: 1, confirmed: 0 });
    made.confirm(1);
    expect(kinds(sent)).toEqual(["1 leaseRequested"]);
    made.grant(made.leaseToken);
    made.grant(made.leaseToken);
    await begun;
    end();
    await expect.poll(() => kinds(sent)).toEqual(["1 leaseRequested", "2 started", "3 ended"]);
    made.confirm(3);
    await expect.poll(() => told).toEqual(["over", "forgotten"]);
  });

  test("does not begin under another's token", () => {
    const { made, told } = attempt();
    made.begin(leased().handler);
    made.grant("another's");
    expect(told).toEqual(["forgotten", "over"]);
  });

  test("begins under a late grant only when a heartbeat has shown that the lease holds", async () => {
    const { made, sent } = attempt({ leaseMs: 5_000, marginMs: 5_000 });
    const { handler } = leased();
    made.begin(handler);
    made.grant(made.leaseToken);
    expect(made.held).toMatchObject({ awaitsGrant: false });
    expect(kinds(sent)).toEqual(["1 leaseRequested"]);
    made.renew(performance.now() + 60_000);
    expect(kinds(sent)).toEqual(["1 leaseRequested", "2 started"]);
  });

  test("is given up when nobody has renewed its lease in time", async () => {
    const { made } = attempt();
    const { handler, begun } = leased();
    made.begin(handler);
    made.grant(made.leaseToken);
    const task = await begun;
    expect(made.giveUpIfLapsed(performance.now() + 24_000)).toBe(false);
    expect(made.giveUpIfLapsed(performance.now() + 25_001)).toBe(true);
    expect(task.signal.reason).toBe("lost");
  });

  test("is given back by a worker that ends, once its handler has ended, and not when the lease is another's", async () => {
    for (const [cause, last] of [
      ["shutdown", "3 released"],
      ["lost", "2 started"],
    ] as const) {
      const { made, sent, told } = attempt();
      const { handler, begun, end } = leased();
      made.begin(handler);
      made.grant(made.leaseToken);
      await begun;
      made.abandon(cause);
      expect(kinds(sent).at(-1)).toBe("2 started");
      end();
      await vi.waitFor(() => expect(told).toContain("forgotten"), 5_000);
      expect(kinds(sent).at(-1)).toBe(last);
    }
  });

  test("is cancelled before it begins without its handler", () => {
    const { made, sent, told } = attempt();
    made.begin(leased().handler);
    made.cancel();
    made.cancel();
    made.grant(made.leaseToken);
    expect(kinds(sent)).toEqual(["1 leaseRequested", "2 ended"]);
    expect(made.held).toMatchObject({ knowsCancel: true });
    made.confirm(2);
    expect(told).toEqual(["over", "forgotten"]);
  });

  test("repeats what is not confirmed, with the same numbers, in order", () => {
    const { made, sent } = attempt();
    made.begin(leased().handler);
    made.cancel();
    made.repeatReports(performance.now() + 1_000, 2_000);
    expect(sent).toHaveLength(2);
    made.repeatReports(performance.now() + 3_000, 2_000);
    expect(kinds(sent.slice(2))).toEqual(["1 leaseRequested", "2 ended"]);
    made.confirm(1);
    made.repeatReports(performance.now() + 9_000, 2_000);
    expect(kinds(sent.slice(4))).toEqual(["2 ended"]);
  });
});
