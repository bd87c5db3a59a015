import { describe, expect, test } from "vitest";
import {
  approvalOf,
  childStartOf,
  engineConfigFault,
  engineHandlers,
  isEngineHandler,
  signalOf,
  sleepOf,
  verdictOf,
  wakesAt,
} from "./engine-handler.ts";
import type { JsonObject } from "./json.ts";

const day = 24 * 60 * 60 * 1_000;

test("knows the handlers that need no worker", () => {
  expect(engineHandlers.every(isEngineHandler)).toBe(true);
  expect(["noop", "toString", ""].some(isEngineHandler)).toBe(false);
});

describe("sleepOf", () => {
  test.each([
    ["250ms", 250],
    ["1.5s", 1_500],
    ["10m", 600_000],
    ["2h", 7_200_000],
    ["365d", 365 * day],
    [90, 90_000],
    [0, 0],
    [0.0015, 2],
  ])("reads the duration %j", (duration, durationMs) => {
    expect(sleepOf({ duration })).toEqual({ value: { durationMs } });
  });

  test.each(["", "10", "-1s", "1w", "1e3s", " 1s", "366d", -1, null, true, ["1s"]])(
    "refuses the duration %j",
    (duration) => {
      expect(sleepOf({ duration })).toMatchObject({ fault: { at: ".duration" } });
    },
  );

  test.each([
    ["2026-01-31T09:00:00Z", "2026-01-31T09:00:00.000Z"],
    ["2026-01-31T09:00+01:30", "2026-01-31T07:30:00.000Z"],
    ["2024-02-29T23:59:59.5Z", "2024-02-29T23:59:59.500Z"],
  ])("reads the time %s", (until, expected) => {
    expect(sleepOf({ until })).toEqual({ value: { until: new Date(expected) } });
  });

  // Pins that a day which its month does not have became one of the next month.
  test.each([
    "2026-02-30T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01",
    "tomorrow",
    7,
  ])("refuses the time %j", (until) => {
    expect(sleepOf({ until })).toMatchObject({ fault: { at: ".until" } });
  });

  test("wants one of both, and nothing else", () => {
    expect(sleepOf({})).toMatchObject({ fault: { message: "give either duration or until" } });
    expect(sleepOf({ duration: 1, until: "2026-01-31T09:00:00Z" })).toHaveProperty("fault");
    expect(sleepOf({ duration: 1, unit: "s" })).toEqual({
      fault: { at: ".unit", message: "is none of duration, until" },
    });
  });

  test("wakes after its duration, at its time, or at once when that is past", () => {
    const from = new Date("2026-01-01T00:00:00Z");
    const [past, future] = [new Date("2025-01-01T00:00:00Z"), new Date("2027-01-01T00:00:00Z")];
    expect(wakesAt({ durationMs: 5 }, from)).toEqual(new Date("2026-01-01T00:00:00.005Z"));
    expect([wakesAt({ until: future }, from), wakesAt({ until: past }, from)]).toEqual([future, from]);
  });
});

describe("approvalOf", () => {
  const read = (config: JsonObject) => {
    const found = approvalOf(config);
    if ("fault" in found) throw new Error(found.fault.message);
    return found.value;
  };

  test("asks for a yes or no unless told otherwise", () => {
    expect(approvalOf({})).toEqual({ value: { prompt: "Approve?", choices: [], failOnReject: false } });
    const words = ["yes", " Y ", "APPROVED", "true", "no", "Deny", "rejected", "perhaps", "", "yes no"];
    const verdicts = words.map((word) => verdictOf(read({}), word)?.approved);
    expect(verdicts).toEqual([true, true, true, true, false, false, false, undefined, undefined, undefined]);
  });

  test("offers choices, of which one has to be given, and blanks around it do not matter", () => {
    const asked = read({ choices: ["blue", " green "] });
    expect(verdictOf(asked, "blue\n")).toEqual({ approved: true, choice: "blue" });
    // Pins a choice that nobody could give: answers were trimmed, choices were not.
    expect(verdictOf(asked, "green")).toEqual({ approved: true, choice: " green " });
    expect([verdictOf(asked, "yes"), verdictOf(asked, "Blue"), verdictOf(asked, "")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each([
    [{ prompt: 1 }, ".prompt"],
    [{ prompt: "x".repeat(16 * 1024 + 1) }, ".prompt"],
    [{ choices: "blue" }, ".choices"],
    [{ choices: [1] }, ".choices"],
    [{ choices: [" "] }, ".choices"],
    [{ choices: ["x".repeat(201)] }, ".choices"],
    [{ choices: Array.from({ length: 101 }, () => "x") }, ".choices"],
    [{ fail_on_reject: "yes" }, ".fail_on_reject"],
    [{ timeout: 1 }, ".timeout"],
  ])("refuses %j", (config, at) => {
    expect(approvalOf(config as JsonObject)).toMatchObject({ fault: { at } });
  });
});

describe("signalOf and childStartOf", () => {
  test("read what they name", () => {
    expect(signalOf({ signal: "order.paid-1" })).toEqual({ value: "order.paid-1" });
    expect(childStartOf({ workflow_name: "billing", input: [1] })).toEqual({
      value: { workflowId: undefined, workflowName: "billing", input: [1] },
    });
    expect(childStartOf({ workflow_id: "1" })).toMatchObject({ value: { workflowId: "1" } });
  });

  test.each([{}, { signal: "" }, { signal: "1st" }, { signal: 1 }, { signal: "a", name: "b" }])(
    "a signal is not read from %j",
    (config) => {
      expect(signalOf(config as JsonObject)).toHaveProperty("fault");
    },
  );

  test.each([
    {},
    { workflow_id: "1", workflow_name: "a" },
    { workflow_id: 1 },
    { workflow_name: 1 },
    { workflow_name: "a", inputs: {} },
  ])("a start is not read from %j", (config) => {
    expect(childStartOf(config as JsonObject)).toHaveProperty("fault");
  });
});

test("engineConfigFault asks the handler's own reader", () => {
  const good = { sleep: { duration: 1 }, approval: {}, wait_for_signal: { signal: "a" } };
  for (const handler of engineHandlers) {
    const config = { workflow: { workflow_id: "1" }, ...good }[handler];
    expect(engineConfigFault(handler, config)).toBeUndefined();
    expect(engineConfigFault(handler, { surely: "not" })).toMatchObject({ at: ".surely" });
  }
});
