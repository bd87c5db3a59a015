import type { Checker } from "./checks/violations.ts";

/** A change of one place in a source file. */
export interface PlantedChange {
  /** From the root of the repository. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that the simulation has to find. */
export interface Plant {
  readonly name: string;
  /** A seed that has shown it; others are tried when it does not any more. */
  readonly seed: number;
  /** What is wrong then, as a sentence that begins with who does it. */
  readonly title: string;
  readonly changes: readonly PlantedChange[];
  /** The checks that may find it. */
  readonly foundBy: readonly Checker[];
}

const owner = "services/scheduler/owner.ts";
const claimLoop = "services/scheduler/claim-loop.ts";
const sweeper = "services/scheduler/sweeper.ts";
const reportReader = "services/scheduler/report-reader.ts";
const decideReport = "services/scheduler/core/decide-report.ts";
const attempt = "services/worker/attempt.ts";

/** Bugs that are planted one at a time. */
export const plants: readonly Plant[] = [
  {
    name: "publish-before-commit",
    seed: 1,
    title: "an owner lets out what it decided before the commit",
    changes: [
      {
        file: owner,
        find: `    let outcome: "appended" | "fenced";\n    try {`,
        replace: `    this.#options.onCommitted(entries.flatMap((entry) => committedOf(entry) ?? []));\n    let outcome: "appended" | "fenced";\n    try {`,
      },
    ],
    foundBy: ["published before commit"],
  },
  {
    name: "no-epoch-check",
    seed: 12,
    title: "an owner commits without a check of its epoch",
    changes: [
      {
        file: "services/scheduler/commit-batch.ts",
        find: "claims: [...claims.values()],",
        replace: "claims: [],",
      },
    ],
    foundBy: ["two owners", "answered and lost", "stale answer", "record differs", "never ends"],
  },
  {
    name: "take-and-read-at-once",
    seed: 50,
    title: "a replica reads which runs are live by the snapshot that it takes the partition with",
    changes: [
      {
        file: claimLoop,
        find: "  const claims = await loop.partitions.take(",
        replace:
          "  const before = await loop.liveRuns(wanted);\n  const claims = await loop.partitions.take(",
      },
      {
        file: claimLoop,
        find: "const live = await loop.liveRuns(numbers);",
        replace: "const live = before;",
      },
    ],
    foundBy: ["record differs", "never ends"],
  },
  {
    name: "read-before-take",
    seed: 2,
    title: "a replica reads histories before it raises the epoch",
    changes: [
      {
        file: claimLoop,
        find: "  const claims = await loop.partitions.take(",
        replace:
          "  const before = await loop.load((await loop.liveRuns(wanted)).map(({ runId }) => runId));\n  const claims = await loop.partitions.take(",
      },
      {
        file: claimLoop,
        find: "...(await loop.load(runIds.slice(from, from + runsPerRead))).values()",
        replace: "...runIds.slice(from, from + runsPerRead).flatMap((runId) => before.get(runId) ?? [])",
      },
    ],
    foundBy: ["never ends", "stale answer", "record differs"],
  },
  {
    name: "report-forgotten",
    seed: 1,
    title: "a worker forgets a report before its commit was confirmed",
    changes: [
      {
        file: attempt,
        find: `phase.kind === "ended" && phase.isArchived && this.#confirmed === this.#reported;`,
        replace: `phase.kind === "ended" && phase.isArchived;`,
      },
    ],
    foundBy: ["report forgotten"],
  },
  {
    name: "lapse-without-wait",
    seed: 1,
    title: "an owner ends a lease without having waited for it",
    changes: [
      {
        file: sweeper,
        find: "leases.silent(leaseMs, reports.drainedAt)",
        replace: "leases.silent(leaseMs / 10, reports.drainedAt)",
      },
    ],
    foundBy: ["lease ended early", "two holders"],
  },
  {
    name: "answered-twice",
    seed: 5,
    title: "an owner accepts a second answer to a prompt",
    changes: [
      {
        file: "services/scheduler/core/decide-command.ts",
        find: `prompt.state !== "open" || prompt.attempt !== task.attempt`,
        replace: "prompt.attempt !== task.attempt",
      },
    ],
    foundBy: ["answered twice", "other answer delivered", "illegal transition", "defect"],
  },
  {
    name: "answer-after-lease",
    seed: 175,
    title: "an owner answers from its records after its lease",
    changes: [
      {
        file: owner,
        find: "if (claim === undefined || performance.now() >= this.#leaseEndsAt) throw ownerAway(partition);",
        replace: "if (claim === undefined) throw ownerAway(partition);",
      },
      {
        file: owner,
        find: "return performance.now() < this.#leaseEndsAt ? this.#runs.get(runId) : undefined;",
        replace: "return this.#runs.get(runId);",
      },
      {
        file: owner,
        find: "    const about = { run, runId, claim, decision: decision ?? undecided };",
        replace:
          "    if (decision?.facts.length === 0 && performance.now() >= this.#leaseEndsAt) return decision.result;\n    const about = { run, runId, claim, decision: decision ?? undecided };",
      },
    ],
    foundBy: ["stale answer", "answered and lost"],
  },
  {
    name: "report-deleted-before-commit",
    seed: 1,
    title: "an owner deletes a report before the commit that holds its effect",
    changes: [
      {
        file: reportReader,
        find: "    const outcomes = await Promise.allSettled(",
        replace:
          "    for (const { stream, id } of entries) await broker.remove(stream, [id]).catch(() => undefined);\n    const outcomes = await Promise.allSettled(",
      },
    ],
    foundBy: ["report deleted"],
  },
  {
    name: "fan-in-not-counted",
    seed: 1,
    title: "a run hands a task out before all it depends on is over, and again after that",
    changes: [
      {
        file: "services/scheduler/core/settle.ts",
        find: "  if (dependent.waitsFor > 0) return;",
        replace: "  if (dependent.waitsFor > 1) return;",
      },
    ],
    foundBy: ["dispatched too early", "dispatched twice"],
  },
  {
    name: "token-not-compared",
    seed: 161,
    title: "an owner accepts reports of whoever does not hold the lease",
    changes: [
      {
        file: decideReport,
        find: `  if (task.lease !== undefined && task.lease.token !== report.lease.token) return { kind: "lost" };\n`,
        replace: "",
      },
    ],
    foundBy: ["two leases", "report applied twice"],
  },
  {
    name: "repeat-applied",
    seed: 6,
    title: "an owner applies the repeat of a report again",
    changes: [
      {
        file: decideReport,
        find: `  if (report.number <= task.report) return { kind: "repeated" };\n`,
        replace: "",
      },
    ],
    foundBy: ["report applied twice", "illegal transition"],
  },
  {
    name: "start-without-grant",
    seed: 1,
    title: "a worker starts a program without a grant",
    changes: [{ file: attempt, find: "|| !phase.isGranted ", replace: "" }],
    foundBy: ["started without lease"],
  },
  {
    name: "output-forgotten",
    seed: 24,
    title: "a worker forgets output that is not archived",
    changes: [
      {
        file: "services/worker/transcript-buffer.ts",
        find: "firstLeft === undefined ? upTo : firstLeft - 1",
        replace: "upTo",
      },
    ],
    foundBy: ["transcript broken"],
  },
  {
    name: "trimmed-before-archived",
    seed: 9,
    title: "taskio trims output before it is stored",
    changes: [
      {
        file: "services/taskio/archiver.ts",
        find: "    let untrimmed = leftovers;",
        replace:
          "    let untrimmed = [...leftovers, ...chunks.map((chunk) => ({ taskId: chunk.taskId, upTo: endOf(chunk) }))];",
      },
    ],
    foundBy: ["transcript broken"],
  },
  {
    name: "never-published-again",
    seed: 12,
    title: "an owner publishes lost work never again",
    changes: [{ file: sweeper, find: "    await dispatcher.sweep({ leaseMs, roundMs });\n", replace: "" }],
    foundBy: ["never ends"],
  },
  {
    name: "owned-by-nobody",
    seed: 63,
    title: "a replica keeps partitions in the database that it does not take",
    changes: [
      {
        file: claimLoop,
        find: "const left = again.map(({ partition }) => partition).filter((partition) => !wanted.includes(partition));",
        replace: "const left: number[] = [];",
      },
    ],
    foundBy: ["never ends"],
  },
];
