/*
 * What a worker's word means for a run.
 *
 *   R1. The reports of an attempt are applied in the order of their numbers, each
 *       once; a repeat changes nothing and is confirmed again.
 *   R2. The first report that names an attempt nobody holds takes its lease;
 *       from then on only reports with its token count.
 *   R3. Whoever lost an attempt, or never had it, is told so.
 */
import type { AttemptFact, Fact, Lease, LeftFile, Outcome } from "./event.ts";
import { isUnderway, isUntaken, maxEvents, type Prompt, type Run, type Task, taskOf } from "./run.ts";

/** What a worker reports. */
export interface Report {
  readonly nodeId: string;
  readonly attempt: number;
  readonly lease: Lease;
  readonly number: number;
  readonly word:
    | { readonly kind: "lease_requested" }
    | { readonly kind: "started" }
    | { readonly kind: "released" }
    | {
        readonly kind: "prompt_opened";
        readonly promptId: string;
        readonly text: string;
        readonly password: boolean;
      }
    | {
        readonly kind: "sealed_answer_received";
        readonly promptId: string;
        readonly answeredBy: string;
        readonly requestId: string;
      }
    | {
        readonly kind: "ended";
        readonly outcome: Outcome;
        readonly lastSeq: number;
        readonly files: readonly LeftFile[];
      };
}

/** What a report leads to. */
export type ReportDecision =
  /** Takes effect; to be confirmed after the commit. */
  | { readonly kind: "applied"; readonly facts: readonly Fact[] }
  /** Took effect before; to be confirmed again. */
  | { readonly kind: "repeated" }
  /** An earlier report of the attempt is missing; to be neither applied nor confirmed. */
  | { readonly kind: "early" }
  /** The attempt is another's, or over. */
  | { readonly kind: "lost" };

/** Decides on a report; `run` is undefined when there is no such run. */
export function decideReport(run: Run | undefined, report: Report): ReportDecision {
  const task = taskOf(run, report.nodeId);
  if (run === undefined || task === undefined) return { kind: "lost" };
  if (report.attempt < task.attempt && task.endedBy.get(report.attempt) === report.lease.token) {
    // It ended the attempt, and another one follows. Whoever was handed the same attempt besides has lost it.
    return { kind: "repeated" };
  }
  if (task.attempt !== report.attempt || task.isRevoked) return { kind: "lost" };
  if (task.lease !== undefined && task.lease.token !== report.lease.token) return { kind: "lost" };
  if (report.number <= task.report) return { kind: "repeated" };
  if (!isUnderway(task)) return { kind: "lost" };
  if (report.number > task.report + 1) return { kind: "early" };
  const { nodeId, attempt, number, lease, word } = report;
  const about = { nodeId, attempt, report: number };
  if (run.seq >= maxEvents && word.kind !== "ended") {
    const outcome: Outcome = {
      kind: "failed",
      reason: "EVENT_LIMIT",
      message: `the run has ${maxEvents} events`,
    };
    return applied({ ...about, type: "task_ended", outcome, lease, lastSeq: 0, files: [] });
  }
  if (word.kind === "ended") {
    const { outcome, lastSeq, files } = word;
    return applied({ ...about, type: "task_ended", outcome, lease, lastSeq, files });
  }
  const leased: readonly Fact[] = task.lease === undefined ? [{ ...about, type: "task_leased", lease }] : [];
  switch (word.kind) {
    case "lease_requested":
      // What a paused run has not begun yet is handed out anew when it goes on.
      return leased.length > 0 && run.state !== "paused" ? applied(...leased) : { kind: "lost" };
    case "released":
      // Nothing was begun of what nobody holds.
      if (task.lease === undefined) return { kind: "lost" };
      return applied({ type: "lease_lapsed", nodeId, attempt, workerId: lease.workerId, isReleased: true });
    case "started":
      return applied(...leased, { ...about, type: "task_started" });
    case "prompt_opened": {
      if (task.prompts.some(({ promptId }) => promptId === word.promptId)) return { kind: "lost" };
      const { promptId, text, password } = word;
      const opened = { ...about, type: "prompt_opened", promptId, text, password } as const;
      return applied(...leased, opened, ...replayedAnswer(run, task, opened));
    }
    case "sealed_answer_received": {
      const { promptId, answeredBy, requestId } = word;
      const prompt = task.prompts.find((asked) => asked.promptId === promptId);
      // What the program was given counts, also when its time was over before the receipt came.
      const mayBe = prompt?.state === "open" || prompt?.state === "timed_out";
      if (!mayBe || prompt.attempt !== attempt) return { kind: "lost" };
      return applied({ ...about, type: "prompt_answered", promptId, answeredBy, requestId });
    }
  }
}

/** The answer that the attempt before got to the same question at the same place, where the node asks for that. */
function replayedAnswer(
  run: Run,
  task: Task,
  {
    nodeId,
    attempt,
    promptId,
    text,
    password,
  }: { nodeId: string; attempt: number } & Pick<Prompt, "promptId" | "text" | "password">,
): readonly Fact[] {
  if (run.plan.nodes[task.node]?.replayInput !== true || password) return [];
  const place = task.prompts.filter((asked) => asked.attempt === attempt).length;
  const before = task.prompts.findLast((asked) => asked.attempt < attempt)?.attempt;
  const same = task.prompts.filter((asked) => asked.attempt === before)[place];
  if (same?.answer === undefined || same.answeredBy === undefined || same.text !== text) return [];
  const { answer, answeredBy } = same;
  const requestId = `replay of ${same.promptId}`;
  return [{ type: "prompt_answered", nodeId, attempt, promptId, answeredBy, requestId, answer }];
}

/** Decides whether a heartbeat that names an attempt takes its lease: a short handler that is still at work. */
export function decideHeld(
  run: Run,
  held: { readonly nodeId: string; readonly attempt: number; readonly lease: Lease },
): readonly Fact[] {
  const task = taskOf(run, held.nodeId);
  const isFree = task !== undefined && isUntaken(task) && task.attempt === held.attempt;
  return isFree ? [{ type: "task_leased", ...held, report: 0 }] : [];
}

/** Decides what follows when nothing was heard of a lease for too long, or its worker came back as another process. */
export function decideLapse(
  run: Run,
  lapsed: { readonly nodeId: string; readonly attempt: number; readonly token: string },
): readonly Fact[] {
  const task = taskOf(run, lapsed.nodeId);
  if (task === undefined || !isUnderway(task)) return [];
  if (task.attempt !== lapsed.attempt || task.lease?.token !== lapsed.token) return [];
  const { nodeId, attempt } = lapsed;
  return [{ type: "lease_lapsed", nodeId, attempt, workerId: task.lease.workerId }];
}

function applied(
  ...facts: (Fact | AttemptFact<"task_started", { readonly report: number }>)[]
): ReportDecision {
  return { kind: "applied", facts };
}
