/*
 * The tables of docs/failure.md, walked: each row becomes runs, one for each
 * combination that it stands for, and the page has to say what became of them.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  aNode,
  answered,
  aStart,
  begun,
  bringOn,
  cancel,
  childEnded,
  completed,
  ended,
  failed,
  fired,
  lapsed,
  leased,
  statesOf,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { keptOf } from "./decide-rerun.ts";
import type { NodeDefinition, RetryPolicy } from "./definition.ts";
import type { Fact } from "./event.ts";
import { maxLostAttempts } from "./evolve.ts";
import { maxItems } from "./items.ts";
import type { Run } from "./run.ts";
import { isMildlySkipped } from "./settle.ts";
import { isFinalRun, isFinalTask } from "./task-state.ts";

const page = readFileSync(new URL("../../../docs/failure.md", import.meta.url), "utf8");

/** The rows of the table below a heading, as texts without backticks. */
function rowsBelow(heading: string): string[][] {
  const [, section = ""] = page.split(`\n## ${heading}\n`);
  const lines =
    section
      .split(/\n## /)[0]
      ?.split("\n")
      .filter((line) => line.startsWith("|")) ?? [];
  const cells = lines.map((line) =>
    line
      .replaceAll("`", "")
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return cells.slice(2);
}

/** How a task of an attempt is brought to its end. */
interface Happening {
  /** What the node needs for it. */
  readonly node?: Partial<NodeDefinition>;
  /** The facts that bring it about in an attempt; empty when it happens before the first. */
  readonly facts: (attempt: number) => Fact[];
  /** Whether it is the run that something happens to, so that it ends what goes on. */
  readonly isOfRun?: boolean;
  /** Whether it can happen only while an attempt is left. */
  readonly isBetweenAttempts?: boolean;
}

const missing = "{{ input.missing }}";
const child = { handler: "workflow", config: { workflow_name: "child" } };
const untaken = () => [];

const happenings: Readonly<Record<string, readonly Happening[]>> = {
  completes: [{ facts: (attempt) => [completed("A", { attempt })] }],
  fails: [
    { facts: (attempt) => [failed("A", { attempt })] },
    { facts: (attempt) => [leased("A", attempt), failed("A", { attempt, report: 2 })] },
  ],
  "times out": [
    { node: { timeoutMs: 5 }, facts: (attempt) => [leased("A", attempt), fired("A", "timeout", attempt)] },
    { node: { timeoutMs: 5, handler: "approval" }, facts: (attempt) => [fired("A", "timeout", attempt)] },
    { node: { timeoutMs: 5, ...child }, facts: (attempt) => [fired("A", "timeout", attempt)] },
  ],
  "child fails": [
    {
      node: child,
      facts: (attempt) => [
        childEnded("A", { kind: "failed", reason: "CHILD_FAILED", message: "m" }, attempt),
      ],
    },
  ],
  "final failure": [{ facts: (attempt) => [failed("A", { attempt, nonRetryable: true })] }],
  "listed failure": [{ facts: (attempt) => [failed("A", { attempt, reason: "LISTED" })] }],
  rejected: [
    {
      node: { handler: "approval", config: { fail_on_reject: true }, timeoutMs: 5 },
      facts: (attempt) => [answered("A", `approval-${attempt}`, "no", attempt)],
    },
  ],
  "no worker": [{ node: { queueTimeoutMs: 5 }, facts: (attempt) => [fired("A", "queue_timeout", attempt)] }],
  "no value": [{ node: { config: { x: missing } }, facts: untaken }],
  "no verdict": [{ node: { when: "input.missing > 1" }, facts: untaken }],
  "bad config": [
    { node: { handler: "sleep", config: { duration: "{{ input.text }}" } }, facts: untaken },
    { node: { handler: "wait_for_signal", config: { signal: "{{ input.list }}" } }, facts: untaken },
  ],
  "no list": [
    { node: { forEach: { items: "{{ input.text }}" } }, facts: untaken },
    { node: { forEach: { items: missing } }, facts: untaken },
  ],
  "long list": [{ node: { forEach: { items: "{{ input.list }}" } }, facts: untaken }],
  "too deep": [{ node: child, facts: untaken }],
  lost: [{ facts: (attempt) => [leased("A", attempt), lapsed("A", attempt)] }],
  "lost too often": [
    {
      facts: (attempt) =>
        Array.from({ length: maxLostAttempts + 1 }, (_, index) => {
          return [leased("A", attempt + index), lapsed("A", attempt + index)];
        }).flat(),
    },
  ],
  "condition false": [{ node: { when: "false" }, facts: untaken }],
  "given up": [{ facts: (attempt) => [ended("A", { kind: "cancelled" }, { attempt })] }],
  "child cancelled": [{ node: child, facts: (attempt) => [childEnded("A", { kind: "cancelled" }, attempt)] }],
  cancelled: [
    { facts: () => [cancel], isOfRun: true },
    { facts: (attempt) => [failed("A", { attempt }), cancel], isOfRun: true, isBetweenAttempts: true },
    {
      facts: (attempt) => [
        leased("A", attempt),
        cancel,
        ended("A", { kind: "cancelled" }, { attempt, report: 2 }),
      ],
      isOfRun: true,
    },
    { facts: (attempt) => [leased("A", attempt), cancel, lapsed("A", attempt)], isOfRun: true },
    { node: { handler: "sleep", config: { duration: "1h" } }, facts: () => [cancel], isOfRun: true },
    { node: { handler: "approval" }, facts: () => [cancel], isOfRun: true },
    { node: { handler: "wait_for_signal", config: { signal: "s" } }, facts: () => [cancel], isOfRun: true },
    {
      node: child,
      facts: (attempt) => [cancel, childEnded("A", { kind: "cancelled" }, attempt)],
      isOfRun: true,
    },
  ],
};

const policies = ["fail_run", "continue", "skip_dependents"] as const;

/** One combination that a row stands for. */
interface Combination {
  readonly name: string;
  readonly happening: Happening;
  readonly isAttemptLeft: boolean;
  readonly onFailure: (typeof policies)[number];
  readonly hasFailureNode: boolean;
  /** Whether the node beside it completes before or after. */
  readonly isOtherFirst: boolean;
  readonly policy: RetryPolicy | undefined;
  /** The attempt in which it happens. */
  readonly attempt: number;
}

const retry: RetryPolicy = {
  maxAttempts: 2,
  initialDelayMs: 10,
  multiplier: 1,
  maxDelayMs: 10,
  jitter: 0,
  nonRetryable: ["LISTED"],
};

function combinationsOf([names = "", left = "", onFailure = ""]: readonly string[]): Combination[] {
  const booleans = [true, false];
  return names.split(", ").flatMap((name) =>
    (happenings[name] ?? []).flatMap((happening) =>
      booleans
        .filter((isLeft) => left === "any" || (left === "yes") === isLeft)
        .flatMap((isAttemptLeft) =>
          policies
            .filter((policy) => onFailure === "any" || onFailure === policy)
            .flatMap((policy) =>
              booleans.flatMap((hasFailureNode) =>
                booleans.flatMap((isOtherFirst) =>
                  waysOf(isAttemptLeft, happening).map((way) => {
                    return {
                      name,
                      happening,
                      isAttemptLeft,
                      onFailure: policy,
                      hasFailureNode,
                      isOtherFirst,
                      ...way,
                    };
                  }),
                ),
              ),
            ),
        ),
    ),
  );
}

/** No attempt is left without a policy, and when an attempt was used up. */
function waysOf(isLeft: boolean, happening: Happening): Pick<Combination, "policy" | "attempt">[] {
  if (isLeft) return [{ policy: retry, attempt: 1 }];
  if (happening.isBetweenAttempts === true) return [];
  const none = { policy: undefined, attempt: 1 };
  return usedUp(happening).length === 0 ? [none] : [none, { policy: retry, attempt: 2 }];
}

/** A run to which it happened, and of which everything else has completed. */
function runOf({
  name,
  happening,
  onFailure,
  hasFailureNode,
  isOtherFirst,
  policy,
  attempt,
}: Combination): Run {
  const used = attempt === 1 ? [] : usedUp(happening);
  const nodes = [
    aNode("A", [], {
      ...happening.node,
      ...(policy && { retry: policy }),
      ...(onFailure !== "fail_run" && { onFailure }),
    }),
    aNode("B", ["A"]),
    aNode("O"),
    ...(hasFailureNode ? [aNode("H")] : []),
  ];
  const list = name === "long list" ? Array.from({ length: maxItems + 1 }, () => 0) : [];
  const start = aStart(nodes, {
    input: { text: "no list", list },
    ...(hasFailureNode && { onFailure: "H" }),
    ...(name === "too deep" && { parent: { runId: "p", nodeId: "X", attempt: 1, depth: 8 } }),
  });
  const run = begun(start);
  // What happens to a run as a whole would end the other node, too.
  const isOtherBefore = isOtherFirst || happening.isOfRun === true;
  if (isOtherBefore) bringOn(run, completed("O"));
  bringOn(run, ...used, ...happening.facts(attempt));
  if (!isOtherBefore) bringOn(run, completed("O"));
  for (const id of ["B", "H"]) {
    if (statesOf(run)[id] === "queued") bringOn(run, completed(id));
  }
  return run;
}

/** An attempt that failed, so that none is left; nothing where there can be none. */
function usedUp({ node = {}, facts }: Happening): Fact[] {
  if (facts === untaken) return [];
  if (node.handler === "workflow") {
    return [childEnded("A", { kind: "failed", reason: "R", message: "m" }), fired("A", "retry")];
  }
  if (node.timeoutMs !== undefined && node.handler !== undefined)
    return [fired("A", "timeout"), fired("A", "retry")];
  return node.handler === undefined ? [failed("A"), fired("A", "retry")] : [];
}

/** What the page has to say of a run, in its words. */
function wordsFor(run: Run, { hasFailureNode, attempt }: Combination) {
  const [task, dependent] = [taskOfNode(run, "A"), taskOfNode(run, "B")];
  const wait = isFinalTask(task.state) ? undefined : task.timer === undefined ? "at once" : "after the delay";
  const again = run.tasks.filter((one) => {
    const isKept = keptOf(run).some(({ nodeId }) => nodeId === one.name);
    return !isKept && !isMildlySkipped(one) && one.name !== "H";
  });
  const names = again.map(({ name }) =>
    name === "A" ? "the task" : name === "B" ? "what depends on it" : name,
  );
  const isTriedAgain = wait !== undefined && task.attempt + (wait === "at once" ? 0 : 1) === attempt + 1;
  return {
    task: isTriedAgain ? `tried again ${wait}` : task.state,
    dependent: wordFor(dependent.state, dependent.attempt),
    run: run.state,
    failureNode: hasFailureNode
      ? wordFor(taskOfNode(run, "H").state, taskOfNode(run, "H").attempt)
      : undefined,
    again: isFinalRun(run.state) ? names.join(", ") || "nothing" : "not yet",
  };
}

function wordFor(state: string, attempt: number): string {
  if (attempt > 0) return "begins";
  return state === "pending" ? "waits" : state;
}

const legend = rowsBelow("What may happen to a task");
const rows = rowsBelow("The table");

test("the page names everything that may happen, and the table has each combination of it once", () => {
  expect(legend.map(([name]) => name)).toEqual(Object.keys(happenings));
  const found = rows.flatMap((row) => {
    const keys = combinationsOf(row).map((one) => `${one.name} ${one.isAttemptLeft} ${one.onFailure}`);
    return [...new Set(keys)];
  });
  const wanted = Object.keys(happenings).flatMap((name) =>
    [true, false].flatMap((isLeft) => policies.map((policy) => `${name} ${isLeft} ${policy}`)),
  );
  expect(found.toSorted()).toEqual(wanted.toSorted());
});

test.each(rows.map((row) => [row.slice(0, 3).join(" | "), row] as const))("%s", (_, row) => {
  const [, , , task, dependent, run, failureNode, again] = row;
  for (const combination of combinationsOf(row)) {
    const outcome = runOf(combination);
    expect(wordsFor(outcome, combination), JSON.stringify(combination)).toEqual({
      task,
      dependent,
      run,
      failureNode: combination.hasFailureNode ? failureNode : undefined,
      again,
    });
    const reason = legend.find(([name]) => name === combination.name)?.[2] ?? "";
    if (/^[A-Z_]+$/.test(reason) && isFinalTask(taskOfNode(outcome, "A").state)) {
      expect(taskOfNode(outcome, "A").failure?.reason).toBe(reason);
    }
  }
});

describe("one item of a list", () => {
  const items = rowsBelow("One item of a list");

  test("has a row for each policy", () => {
    expect(items.map(([policy]) => policy)).toEqual([...policies]);
  });

  test.each(items)("that fails under %s", (policy, begunOnes, others, node, output) => {
    const onFailure = policy === "fail_run" ? {} : { onFailure: policy as "continue" };
    const forEach = { items: [0, 1, 2], maxParallel: 2 };
    const run = begun(aStart([aNode("A", [], { forEach, ...onFailure })]), failed("A.0"));
    expect(begunOnes === "go on").toBe(statesOf(run)["A.1"] === "queued");
    const last = taskOfNode(run, "A.2");
    expect(last.attempt > 0 ? "begin" : last.state).toBe(others);
    const rest = ["A.1", "A.2"].filter((name) => statesOf(run)[name] === "queued");
    bringOn(run, ...rest.map((name) => completed(name, { output: name })));
    expect(taskOfNode(run, "A").state).toBe(node);
    const expected = output === "none" ? undefined : [null, "A.1", "A.2"];
    expect(taskOfNode(run, "A").output).toEqual(expected);
  });
});
