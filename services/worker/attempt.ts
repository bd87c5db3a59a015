/*
 * The life of one attempt on this worker.
 *
 *   A1. `#to` is the only door between phases, and `leadsTo` says which ones it
 *       opens.
 *   A2. Reports are numbered 1, 2, 3, … and kept, exactly as they were sent, until
 *       the owner of the run has confirmed their commit.
 *   A3. A leased handler begins only under a lease that was committed and that
 *       this worker has seen to hold within the time of a lease less the margin.
 *       It counts from when the heartbeat that renewed it, or the first request
 *       for it, was sent.
 *   A4. Once the lease is another's nothing more is said: the handler is told to
 *       end, and the attempt is forgotten when it has.
 *   A5. An ended attempt is forgotten when all its reports are confirmed and all
 *       of its transcript is archived.
 *   A6. A worker that ends gives back what it still held, once nothing of it is
 *       carried out any more, so that nobody waits for the lease to lapse.
 *   A7. Every order may come twice, late, or before its time; none changes
 *       anything twice.
 */
import { randomUUID } from "node:crypto";
import type { Answered, Assignment, Report } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { HeldAttempt } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import type { Publication } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { openSealed, type SealingKeys, sealingKeys } from "../../lib/seal/seal.ts";
import { encodeReport, reportStreamOf } from "../../lib/streams/report-stream.ts";
import type { EndCause, Handler, LeasedHandler, LeasedTask, ShortHandler } from "./handlers/handler.ts";
import type { LeaseTerms } from "./lease-terms.ts";
import { endedOf, type Outcome } from "./outcome.ts";
import { Prompts } from "./prompts.ts";
import type { TranscriptWriter } from "./transcript-writer.ts";

/** What an attempt needs of its worker. */
export interface AttemptHost {
  readonly workerId: string;
  readonly incarnation: string;
  readonly lease: LeaseTerms;
  readonly log: Logger;
  /** Sends a report. */
  readonly send: (publication: Publication) => void;
  /** Makes the writer of an attempt's transcript. */
  readonly transcript: (of: {
    readonly taskId: string;
    readonly attempt: number;
    readonly onSuperseded: () => void;
  }) => TranscriptWriter;
  /** Told once, when the handler is done with the attempt, or will never begin. */
  readonly over: (attempt: Attempt) => void;
  /** Told once, when nothing about the attempt is left to be said. */
  readonly forgotten: (attempt: Attempt) => void;
}

/** What a leased handler works with. */
interface Work {
  readonly transcript: TranscriptWriter;
  readonly prompts: Prompts;
}

type Phase =
  | { readonly kind: "taken" }
  | {
      readonly kind: "awaiting_lease";
      readonly handler: LeasedHandler;
      readonly keys: SealingKeys;
      isGranted: boolean;
    }
  | { readonly kind: "running"; readonly work: Work | undefined }
  | { readonly kind: "ended"; readonly work: Work | undefined; isArchived: boolean }
  | { readonly kind: "abandoned" }
  | { readonly kind: "forgotten" };

/** The whole life of an attempt. A phase that leads nowhere is final. */
const leadsTo = {
  taken: ["awaiting_lease", "running"],
  awaiting_lease: ["running", "ended", "forgotten"],
  running: ["ended", "abandoned"],
  ended: ["forgotten"],
  abandoned: ["forgotten"],
  forgotten: [],
} as const satisfies Record<Phase["kind"], readonly Phase["kind"][]>;

export class Attempt {
  readonly assignment: Assignment;
  readonly leaseToken = randomUUID();
  readonly #host: AttemptHost;
  #phase: Phase = { kind: "taken" };
  #reported = 0;
  #confirmed = 0;
  /** The bodies of the reports from `#confirmed + 1` on (A2). */
  #unconfirmed: Uint8Array[] = [];
  /** By the monotonic clock: when the reports were last sent, and since when the lease is known to hold. */
  #sentAtMs = 0;
  #leaseSeenAtMs = 0;
  #ending: AbortController | undefined;
  #knowsCancel = false;
  #isReleased = false;

  constructor(assignment: Assignment, host: AttemptHost) {
    this.assignment = assignment;
    this.#host = host;
  }

  /** What heartbeats say about it; undefined when it is not this worker's any more. */
  get held(): HeldAttempt | undefined {
    const phase = this.#phase;
    if (phase.kind === "abandoned" || phase.kind === "forgotten") return undefined;
    const { taskId, runId, attempt } = this.assignment;
    return {
      $typeName: "antiphon.worker.v1.HeldAttempt",
      taskId,
      runId,
      attempt,
      leaseToken: this.leaseToken,
      awaitsGrant: phase.kind === "awaiting_lease" && !phase.isGranted,
      reported: this.#reported,
      confirmed: this.#confirmed,
      openPromptIds: phase.kind === "running" ? (phase.work?.prompts.openIds ?? []) : [],
      knowsCancel: this.#knowsCancel,
    };
  }

  /** Begins with what the assignment asks for; to be called once. */
  begin(handler: Handler): void {
    if (handler.kind === "short") {
      this.#to({ kind: "running", work: undefined });
      this.#carryOutShort(handler);
      return;
    }
    const keys = sealingKeys();
    this.#to({ kind: "awaiting_lease", handler, keys, isGranted: false });
    this.#leaseSeenAtMs = performance.now();
    this.#report({
      case: "leaseRequested",
      value: { $typeName: "antiphon.worker.v1.LeaseRequested", sealKey: keys.publicKey },
    });
  }

  /** The lease is committed for the holder of a token. */
  grant(leaseToken: string): void {
    if (leaseToken !== this.leaseToken) {
      this.abandon("lost");
      return;
    }
    if (this.#phase.kind !== "awaiting_lease") return;
    this.#phase.isGranted = true;
    this.#startIfHeld();
  }

  /** The lease holds, counted from when the heartbeat that renewed it was sent. */
  renew(sentAtMs: number): void {
    this.#leaseSeenAtMs = Math.max(this.#leaseSeenAtMs, sentAtMs);
    this.#startIfHeld();
  }

  /** Gives the attempt up when its lease may be another's by now; answers whether it did. */
  giveUpIfLapsed(nowMs: number): boolean {
    if (this.#phase.kind !== "running" || this.#phase.work === undefined) return false;
    if (this.#holdsLease(nowMs)) return false;
    this.abandon("lost");
    return true;
  }

  /** The reports up to a number are committed. */
  confirm(upTo: number): void {
    if (upTo <= this.#confirmed || upTo > this.#reported) return;
    this.#unconfirmed.splice(0, upTo - this.#confirmed);
    this.#confirmed = upTo;
    if (this.#phase.kind === "running") this.#phase.work?.prompts.confirmed(upTo);
    this.#forgetIfDone();
  }

  /** A question was answered. */
  answer(answered: Answered): void {
    if (this.#phase.kind === "running") this.#phase.work?.prompts.answered(answered);
  }

  /** The run was cancelled. */
  cancel(): void {
    if (this.#knowsCancel) return;
    this.#knowsCancel = true;
    if (this.#phase.kind === "awaiting_lease") {
      this.#end({ kind: "cancelled" }, undefined, 0);
      this.#host.over(this);
      return;
    }
    if (this.#phase.kind === "running") this.#endHandler("cancelled");
  }

  /** The attempt is not this worker's any more, or must be treated so. */
  abandon(cause: "lost" | "shutdown"): void {
    const phase = this.#phase;
    this.#isReleased = cause === "shutdown" && (phase.kind === "awaiting_lease" || phase.kind === "running");
    switch (phase.kind) {
      case "awaiting_lease":
        this.#forget();
        this.#host.over(this);
        return;
      case "running":
        this.#to({ kind: "abandoned" });
        phase.work?.transcript.abandon();
        this.#endHandler(cause);
        return;
      case "ended":
        phase.work?.transcript.abandon();
        this.#forget();
        return;
      case "taken":
      case "abandoned":
      case "forgotten":
    }
  }

  /** Sends the reports again that nobody confirmed, when the last time was `afterMs` ago. */
  repeatReports(nowMs: number, afterMs: number): void {
    if (this.#unconfirmed.length === 0 || nowMs - this.#sentAtMs < afterMs) return;
    this.#sentAtMs = nowMs;
    for (const body of this.#unconfirmed) this.#send(body);
  }

  get signal(): AbortSignal {
    this.#ending ??= new AbortController();
    return this.#ending.signal;
  }

  #carryOutShort(handler: ShortHandler): void {
    const outcome = this.#runShort(handler);
    if (!(outcome instanceof Promise)) {
      this.#endShort(outcome);
      return;
    }
    outcome
      .catch((error: unknown) => this.#defect(error))
      .then((outcome) => this.#endShort(outcome))
      .catch((error: unknown) => this.#broken(error));
  }

  #runShort(handler: ShortHandler): Outcome | Promise<Outcome> {
    try {
      return handler.run(this);
    } catch (error) {
      return this.#defect(error);
    }
  }

  #endShort(outcome: Outcome): void {
    if (this.#phase.kind === "running") this.#end(outcome, undefined, 0);
    else this.#forget();
    this.#host.over(this);
  }

  #startIfHeld(): void {
    const phase = this.#phase;
    if (phase.kind !== "awaiting_lease" || !phase.isGranted || !this.#holdsLease(performance.now())) return;
    const work = this.#work(phase.keys);
    this.#to({ kind: "running", work });
    this.#carryOutLeased(phase.handler, work).catch((error: unknown) => {
      this.abandon("lost");
      this.#forgetIfDone();
      this.#broken(error);
    });
  }

  #work(keys: SealingKeys): Work {
    const { taskId, attempt } = this.assignment;
    const transcript = this.#host.transcript({ taskId, attempt, onSuperseded: () => this.abandon("lost") });
    const prompts = new Prompts({
      transcript,
      report: (fact) => this.#report(fact),
      repeatReports: () => this.repeatReports(performance.now(), 0),
      openSealed: (sealed, promptId) => {
        try {
          return openSealed(sealed, { taskId, attempt, promptId, keys });
        } catch (error) {
          this.#host.log.warn({ err: error, ...this.#names }, "sealed answer does not open");
          return undefined;
        }
      },
    });
    return { transcript, prompts };
  }

  async #carryOutLeased(handler: LeasedHandler, { transcript, prompts }: Work): Promise<void> {
    const { signal, assignment, leaseToken } = this;
    const closePrompts = (): void => prompts.close();
    signal.addEventListener("abort", closePrompts);
    const started = (): void => {
      this.#report({ case: "started", value: { $typeName: "antiphon.worker.v1.Started" } });
    };
    const leaseLost = (): void => this.abandon("lost");
    const task: LeasedTask = { assignment, signal, leaseToken, transcript, prompts, started, leaseLost };
    const outcome = await handler.run(task).catch((error: unknown) => this.#defect(error));
    prompts.close();
    this.#host.over(this);
    const lastSeq = await transcript.end();
    if (this.#phase.kind === "running") this.#end(outcome, { transcript, prompts }, lastSeq);
    await transcript.finished;
    if (this.#phase.kind === "ended") this.#phase.isArchived = true;
    this.#forgetIfDone();
  }

  #end(outcome: Outcome, work: Work | undefined, lastSeq: number): void {
    this.#report({ case: "ended", value: endedOf(outcome, lastSeq) });
    this.#to({ kind: "ended", work, isArchived: work === undefined });
  }

  #forgetIfDone(): void {
    const phase = this.#phase;
    const hasSaidAll = phase.kind === "ended" && phase.isArchived && this.#confirmed === this.#reported;
    if (hasSaidAll || phase.kind === "abandoned") this.#forget();
  }

  #forget(): void {
    this.#to({ kind: "forgotten" });
    if (this.#isReleased) {
      this.#report({ case: "released", value: { $typeName: "antiphon.worker.v1.Released" } });
    }
    this.#unconfirmed = [];
    this.#host.forgotten(this);
  }

  #to(next: Phase): void {
    const allowed: readonly Phase["kind"][] = leadsTo[this.#phase.kind];
    if (!allowed.includes(next.kind)) {
      throw new Error(`an attempt cannot go from ${this.#phase.kind} to ${next.kind}`);
    }
    this.#phase = next;
  }

  #endHandler(cause: EndCause): void {
    this.#ending ??= new AbortController();
    this.#ending.abort(cause);
  }

  #holdsLease(nowMs: number): boolean {
    const { leaseMs, marginMs } = this.#host.lease;
    return nowMs - this.#leaseSeenAtMs < leaseMs - marginMs;
  }

  #report(fact: Report["fact"]): number {
    const { taskId, runId, attempt } = this.assignment;
    const { workerId, incarnation } = this.#host;
    // Nothing is said about an attempt that is another's (A4); the number is not missed by anyone.
    if (this.#phase.kind === "abandoned") return this.#reported;
    this.#reported += 1;
    const body = encodeReport({
      $typeName: "antiphon.worker.v1.Report",
      workerId,
      incarnation,
      taskId,
      runId,
      attempt,
      leaseToken: this.leaseToken,
      number: this.#reported,
      fact,
    });
    this.#unconfirmed.push(body);
    this.#sentAtMs = performance.now();
    this.#send(body);
    return this.#reported;
  }

  #send(body: Uint8Array): void {
    this.#host.send({ stream: reportStreamOf(this.assignment.partition), body });
  }

  #broken(error: unknown): void {
    this.#host.log.error({ err: error, ...this.#names }, "attempt broken");
  }

  #defect(error: unknown): Outcome {
    this.#host.log.error({ err: error, ...this.#names }, "handler failed");
    const message = `the handler ${this.assignment.handler} failed: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: "failed", reason: "HANDLER_FAILED", message };
  }

  get #names(): { taskId: string; runId: string; attempt: number; workerId: string } {
    const { taskId, runId, attempt } = this.assignment;
    return { taskId, runId, attempt, workerId: this.#host.workerId };
  }
}
