/* The life of a `for_each` node: one task per item, see step.ts. */
import { describe, expect, test } from "vitest";
import {
  aNode,
  aRun,
  aStart,
  begun,
  bringOn,
  cancel,
  completed,
  failed,
  fired,
  lapsed,
  leased,
  pause,
  resume,
  statesOf,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { maxItems } from "./items.ts";
import { configOf } from "./node-config.ts";
import { maxTasks } from "./run.ts";

const each = (items: unknown, more = {}) => aNode("A", [], { forEach: { items } as never, ...more });
const upTo = (maxParallel: number, items: unknown = [0, 1, 2, 3]) => ({
  forEach: { items, maxParallel } as never,
});

describe("the items", () => {
  test("are a list, or a template of one, and each is a task of its own", () => {
    const config = { v: "{{ item.v }}", i: "{{ run.item_index }}" };
    const run = begun(
      aStart([each("{{ input.list }}", { config })], { input: { list: [{ v: "a" }, { v: "b" }] } }),
    );
    expect(statesOf(run)).toEqual({ A: "running", "A.0": "queued", "A.1": "queued" });
    expect(configOf(run, taskOfNode(run, "A.1"))).toEqual({ value: { v: "b", i: 1 } });
    bringOn(run, completed("A.1", { output: 1 }), completed("A.0", { output: 0 }));
    expect(taskOfNode(run, "A")).toMatchObject({ state: "completed", output: [0, 1], attempt: 1 });
    expect(run).toMatchObject({ state: "completed", unfinished: 0 });
  });

  test("may be none: the node completes with an empty list", () => {
    const run = aRun([each([]), aNode("B", ["A"], { config: { n: "{{ A }}" } })]);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "completed", output: [] });
    expect(statesOf(run)).toEqual({ A: "completed", B: "queued" });
  });

  test("may be 10,000, and more fail the node", () => {
    const list = (length: number) =>
      begun(aStart([each("{{ input }}")], { input: Array.from({ length: length }, () => 0) }));
    expect(list(maxItems).unfinished).toBe(maxItems + 1);
    expect(list(maxItems + 1)).toMatchObject({
      state: "failed",
      failure: { reason: "ITEM_LIMIT", message: `there are ${maxItems + 1} items, more than ${maxItems}` },
    });
  });

  test("are no more than 100,000 tasks in all lists of a run together", () => {
    const nodes = Array.from({ length: 11 }, (_, index) =>
      each("{{ input }}", { ...upTo(1, "{{ input }}"), id: `A${index}` }),
    );
    const run = begun(aStart(nodes, { input: Array.from({ length: maxItems }, () => 0) }));
    const states = nodes.map(({ id }) => taskOfNode(run, id).state);
    expect(states.filter((state) => state === "running")).toHaveLength(9);
    expect(run.tasks.length).toBeLessThanOrEqual(maxTasks);
    expect(taskOfNode(run, "A9").failure).toMatchObject({
      reason: "ITEM_LIMIT",
      message: "the run would have 100011 tasks with these items, more than 100000",
    });
  });

  test.each([
    [{}, "{{ input.list }} has no value"],
    [{ list: "a,b" }, "the items are no list"],
    [{ list: { length: 2 } }, "the items are no list"],
    [{ list: null }, "the items are no list"],
  ])("of the input %j fail the node", (input, message) => {
    const run = begun(aStart([each("{{ input.list }}", { retry: undefined })], { input }));
    expect(run.failure).toMatchObject({ reason: "TEMPLATE_FAILED", message });
  });

  test("are outputs of outputs: a list over a list's results", () => {
    const nodes = [
      each([1, 2]),
      aNode("B", ["A"], { forEach: { items: "{{ A }}" }, config: { x: "{{ item.x }}" } }),
    ];
    const run = aRun(nodes, completed("A.0", { output: { x: 1 } }), completed("A.1", { output: { x: [2] } }));
    expect(configOf(run, taskOfNode(run, "B.1"))).toEqual({ value: { x: [2] } });
  });

  test("may need no worker", () => {
    const run = aRun([each(["1s", "2s"], { handler: "sleep", config: { duration: "{{ item }}" } })]);
    bringOn(run, fired("A.1", "sleep"), fired("A.0", "sleep"));
    expect(run.state).toBe("completed");
  });
});

describe("max_parallel", () => {
  const underway = (run: ReturnType<typeof aRun>) =>
    run.tasks.filter(({ item, state, attempt }) => item !== undefined && attempt > 0 && state !== "completed")
      .length;

  test("is never exceeded, and always used, in the order of the items", () => {
    const run = aRun([aNode("A", [], upTo(2))]);
    expect(statesOf(run)).toMatchObject({ "A.0": "queued", "A.1": "queued", "A.2": "pending" });
    expect(bringOn(run, completed("A.1"))).toEqual(["A.2#1"]);
    expect(underway(run)).toBe(2);
    expect(bringOn(run, completed("A.0"))).toEqual(["A.3#1"]);
    expect(bringOn(run, completed("A.3"), completed("A.2"))).toEqual([]);
    expect(run.state).toBe("completed");
  });

  test("holds for an item that waits for its next attempt or lost its worker", () => {
    const retry = {
      maxAttempts: 2,
      initialDelayMs: 5,
      multiplier: 1,
      maxDelayMs: 5,
      jitter: 0,
      nonRetryable: [],
    };
    const run = aRun([aNode("A", [], { ...upTo(1), retry })]);
    expect(bringOn(run, failed("A.0"))).toEqual([]);
    expect(bringOn(run, fired("A.0", "retry"))).toEqual(["A.0#2"]);
    expect(bringOn(run, leased("A.0", 2), lapsed("A.0", 2))).toEqual(["A.0#3"]);
    expect(bringOn(run, completed("A.0", { attempt: 3 }))).toEqual(["A.1#1"]);
  });

  test("is not stopped by items whose condition is false", () => {
    const run = aRun([aNode("A", [], { ...upTo(1, [1, 5, 2, 7]), when: "item > 4" })]);
    expect(statesOf(run)).toMatchObject({ "A.0": "skipped", "A.1": "queued", "A.2": "pending" });
    expect(bringOn(run, completed("A.1", { output: 5 }))).toEqual(["A.3#1"]);
    bringOn(run, completed("A.3", { output: 7 }));
    expect(taskOfNode(run, "A")).toMatchObject({ state: "completed", output: [null, 5, null, 7] });
  });
});

describe("a condition of a list", () => {
  test("that does not name the item is asked once, for the whole node", () => {
    const run = aRun([each([1], { when: "false" }), aNode("B", ["A"])]);
    expect(statesOf(run)).toEqual({ A: "skipped", B: "skipped" });
  });

  test("that can not be decided for an item fails that one", () => {
    const run = aRun([each([{ n: 1 }, {}], { when: "item.n == 1", onFailure: "continue" })]);
    expect(statesOf(run)).toEqual({ A: "running", "A.0": "queued", "A.1": "failed" });
    bringOn(run, completed("A.0", { output: 1 }));
    expect(taskOfNode(run, "A")).toMatchObject({ state: "failed", output: [1, null] });
    expect(run.state).toBe("completed");
  });

  test("skips every item: the node completes with a null for each", () => {
    const run = aRun([each([1, 2], { when: "item > 9" })]);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "completed", output: [null, null] });
    expect(run.state).toBe("completed");
  });
});

describe("an item that fails", () => {
  test.each([[undefined], ["skip_dependents" as const]])(
    "lets those that began go on and no other begin, and fails the node with its failure (%s)",
    (onFailure) => {
      const more = { ...upTo(2), ...(onFailure && { onFailure }) };
      const run = aRun([aNode("A", [], more), aNode("B", ["A"])], failed("A.1"));
      expect(statesOf(run)).toMatchObject({ "A.0": "queued", "A.2": "skipped", "A.3": "skipped" });
      expect(taskOfNode(run, "A.2").failure).toMatchObject({ reason: "ITEM_FAILED", nodeId: "A.1" });
      bringOn(run, completed("A.0"));
      expect(taskOfNode(run, "A")).toMatchObject({
        state: "failed",
        failure: { nodeId: "A.1", reason: "BROKEN" },
        output: undefined,
      });
      expect(statesOf(run)).toMatchObject({ B: "skipped" });
      expect(run.state).toBe(onFailure === undefined ? "failed" : "completed");
    },
  );

  test("stops nothing when failures are borne, and stands as null in the list", () => {
    const nodes = [
      aNode("A", [], { ...upTo(1, [0, 1]), onFailure: "continue" }),
      aNode("B", ["A"], { config: { all: "{{ A }}", why: "{{ nodes.A.error.reason }}" } }),
    ];
    const run = aRun(nodes, failed("A.0"), completed("A.1", { output: 1 }));
    expect(taskOfNode(run, "A").state).toBe("failed");
    expect(configOf(run, taskOfNode(run, "B"))).toEqual({ value: { all: [null, 1], why: "BROKEN" } });
    bringOn(run, completed("B"));
    expect(run.state).toBe("completed");
  });

  test("while another waits for its next attempt does not take that from it", () => {
    const retry = {
      maxAttempts: 2,
      initialDelayMs: 5,
      multiplier: 1,
      maxDelayMs: 5,
      jitter: 0,
      nonRetryable: [],
    };
    const run = aRun([each([0, 1], { retry })], failed("A.0"), failed("A.1", { nonRetryable: true }));
    expect(statesOf(run)).toEqual({ A: "running", "A.0": "pending", "A.1": "failed" });
    bringOn(run, fired("A.0", "retry"), completed("A.0", { attempt: 2 }));
    expect(run.state).toBe("failed");
  });

  test("of several, the first in the list counts", () => {
    const run = aRun([each([0, 1])], failed("A.1", { reason: "SECOND" }), failed("A.0", { reason: "FIRST" }));
    expect(run.failure).toMatchObject({ reason: "FIRST", nodeId: "A.0" });
  });
});

describe("a list in a run that is", () => {
  test("cancelled ends when what workers hold has ended", () => {
    const run = aRun([aNode("A", [], upTo(2)), aNode("B", ["A"])], leased("A.0"), cancel);
    expect(statesOf(run)).toEqual({
      A: "running",
      "A.0": "running",
      "A.1": "cancelled",
      "A.2": "cancelled",
      "A.3": "cancelled",
      B: "cancelled",
    });
    bringOn(run, completed("A.0", { report: 2 }));
    expect(statesOf(run)).toMatchObject({ A: "cancelled", "A.0": "completed" });
    expect(run.state).toBe("cancelled");
  });

  test("paused in the middle begins no further item until it is resumed", () => {
    const run = aRun([aNode("A", [], upTo(1, [0, 1]))], leased("A.0"), pause);
    expect(bringOn(run, completed("A.0", { report: 2 }))).toEqual([]);
    expect(taskOfNode(run, "A.1")).toMatchObject({ state: "pending", isHeld: true });
    expect(bringOn(run, resume)).toEqual(["A.1#1"]);
  });

  test("paused before it began begins with its resumption", () => {
    const run = aRun([aNode("Z"), aNode("A", ["Z"], upTo(1, [0, 1]))], leased("Z"), pause);
    bringOn(run, completed("Z", { report: 2 }));
    expect(run.tasks).toHaveLength(2);
    expect(bringOn(run, resume)).toEqual(["A.0#1"]);
  });

  test("refused by the store ends with all of its items", () => {
    const run = aRun([aNode("A", [], upTo(1))], { type: "run_refused", message: "no" });
    expect(new Set(Object.values(statesOf(run)))).toEqual(new Set(["failed"]));
    expect(run).toMatchObject({ state: "failed", unfinished: 0 });
  });
});
