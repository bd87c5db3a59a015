import type { HearWorkerRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { Control } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { HeldAttempt } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { isRunId, parseTaskId } from "../../lib/ids/task-id.ts";
import { orderOf } from "./control.ts";
import { decideHeld } from "./core/decide-report.ts";
import { isUnderway, type Run, type Task, taskOf } from "./core/run.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { LeaseWatch } from "./lease-watch.ts";
import type { Owner } from "./owner.ts";
import type { Claim } from "./partition-store.ts";
import type { Sweeper } from "./sweeper.ts";

export interface HearWorker {
  readonly owner: Pick<Owner, "claims" | "execute">;
  readonly leases: LeaseWatch;
  readonly dispatcher: Pick<Dispatcher, "heard">;
  readonly sweeper: Pick<Sweeper, "lapse" | "heard">;
}

/** What a worker does not know about the attempts it named, and which of them hold on. */
export interface Standing {
  readonly controls: readonly Control[];
  readonly renewed: readonly { readonly taskId: string; readonly attempt: number }[];
}

/**
 * Takes in what a heartbeat says about the partitions owned here, and answers
 * what history knows and the worker does not. Leases are renewed only when a
 * commit has shown that their partition is still owned.
 */
export async function hearWorker(deps: HearWorker, heartbeat: HearWorkerRequest): Promise<Standing> {
  const { owner, leases, sweeper } = deps;
  const { workerId, incarnation, attempts } = heartbeat;
  await sweeper.lapse(leases.ofFormerProcess(workerId, incarnation));
  const own = attempts.filter(({ runId }) => isRunId(runId) && owner.claims.has(partitionOf(runId)));
  const standings = await Promise.allSettled(
    own.map(async (held) => await standingOf(deps, heartbeat, held)),
  );
  sweeper.heard(workerId);
  const known = standings.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
  return {
    controls: known.flatMap(({ controls }) => controls),
    renewed: known.flatMap(({ renewed }) => renewed),
  };
}

async function standingOf(
  deps: HearWorker,
  heartbeat: HearWorkerRequest,
  held: HeldAttempt,
): Promise<Standing> {
  const { owner, leases, dispatcher } = deps;
  const { taskId, runId, attempt } = held;
  const nodeId = parseTaskId(taskId)?.nodeId ?? "";
  const lease = { workerId: heartbeat.workerId, incarnation: heartbeat.incarnation, token: held.leaseToken };
  const { task, controls, holdsOn } = await owner.execute(runId, (run, claim) => {
    // A short handler takes its lease by being named; a program asks for it by a report.
    const isShort = !held.awaitsGrant && held.reported === 0;
    const facts = run !== undefined && isShort ? decideHeld(run, { nodeId, attempt, lease }) : [];
    return { facts, result: compare(run, held, { nodeId, claim, takesLease: facts.length > 0 }) };
  });
  if (task !== undefined) {
    leases.heard(task);
    dispatcher.heard(task);
  }
  return { controls, renewed: holdsOn ? [{ taskId, attempt }] : [] };
}

/** Compares what a worker says about an attempt with what history says. */
function compare(
  run: Run | undefined,
  held: HeldAttempt,
  { nodeId, claim, takesLease }: { nodeId: string; claim: Claim; takesLease: boolean },
): { task: Task | undefined; controls: Control[]; holdsOn: boolean } {
  const task = taskOf(run, nodeId);
  const about = { runId: held.runId, nodeId, attempt: held.attempt, epoch: claim.epoch };
  if (
    task !== undefined &&
    held.attempt < task.attempt &&
    task.endedBy.get(held.attempt) === held.leaseToken
  ) {
    // It ended, and the next attempt has begun; the worker keeps it until its output is archived.
    const confirmed = orderOf(about, { case: "confirmed", value: { upTo: held.reported } });
    return { task: undefined, controls: [confirmed], holdsOn: true };
  }
  const isKnown = run !== undefined && task !== undefined && task.attempt === held.attempt && !task.isRevoked;
  const isAnothers = task?.lease !== undefined && task.lease.token !== held.leaseToken;
  // Whoever ended the attempt keeps it until its output is archived; nobody else has anything to do with what is over.
  const hasEnded = task?.endedBy.get(held.attempt) === held.leaseToken && held.reported <= task.report;
  const isOver = task !== undefined && !isUnderway(task) && !hasEnded;
  if (!isKnown || isAnothers || isOver) {
    return { task: undefined, controls: [orderOf(about, { case: "leaseLost", value: {} })], holdsOn: false };
  }
  if (task.lease === undefined || takesLease) return { task, controls: [], holdsOn: true };
  const controls: Control[] = [];
  if (held.awaitsGrant) {
    controls.push(orderOf(about, { case: "granted", value: { leaseToken: held.leaseToken } }));
  }
  if (task.report > held.confirmed) {
    controls.push(orderOf(about, { case: "confirmed", value: { upTo: task.report } }));
  }
  for (const promptId of held.openPromptIds) {
    const prompt = task.prompts.find((asked) => asked.promptId === promptId);
    if (prompt?.answer === undefined) continue;
    const { answeredBy = "", requestId = "", answer } = prompt;
    const given = { case: "text", value: answer } as const;
    controls.push(
      orderOf(about, { case: "answered", value: { promptId, answeredBy, requestId, answer: given } }),
    );
  }
  if (run.isCancelRequested && !held.knowsCancel && isUnderway(task)) {
    controls.push(orderOf(about, { case: "cancelRequested", value: {} }));
  }
  return { task, controls, holdsOn: true };
}
