/*
 * The other side of a worker, for tests: publishes work, applies reports, orders,
 * and answers heartbeats, as the owner of one partition does, with its state in
 * memory. A test breaks it by its switches.
 */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import {
  AssignmentSchema,
  type Control,
  ControlBatchSchema,
  type Ended,
  type PromptOpened,
  type Report,
} from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import {
  type FetchProgramRequest,
  type HeartbeatRequest,
  type HeldAttempt,
  type StoreArtifactRequest,
  WorkerService,
} from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { delay } from "../../lib/async/delay.ts";
import { type Broker, BrokerUnavailable, type EntryId } from "../../lib/broker/broker.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";
import { seal } from "../../lib/seal/seal.ts";
import { controlStreamOf, encodeControls } from "../../lib/streams/control-stream.ts";
import { decodeReport, reportStreamOf } from "../../lib/streams/report-stream.ts";
import { encodeAssignment, workStreamOf } from "../../lib/streams/work-stream.ts";

const partition = 7;

/** One attempt as the owner's history has it. */
export interface OwnedAttempt {
  readonly taskId: string;
  readonly attempt: number;
  readonly program: { readonly fileName: string; readonly content: string } | undefined;
  readonly input: unknown;
  leaseToken: string | undefined;
  workerId: string | undefined;
  sealKey: Uint8Array | undefined;
  hasStarted: boolean;
  /** The number of the last report that was applied. */
  report: number;
  readonly prompts: Map<string, PromptOpened & { answer?: Order }>;
  /** Prompts whose sealed answers were received. */
  readonly receipts: string[];
  isCancelled: boolean;
  ended: Ended | undefined;
  readonly files: Map<string, Uint8Array>;
}

type Order = Control["order"];

export class FakeOwner implements AsyncDisposable {
  readonly attempts = new Map<string, OwnedAttempt>();
  /** Reports as they arrived, repeats as well. */
  readonly arrived: Report[] = [];
  readonly heartbeats: HeartbeatRequest[] = [];
  /** To WorkerService. */
  readonly transport: Transport;
  /** Orders are not published: only heartbeats bring them. */
  losesControls = false;
  /** Every order is published twice. */
  repeatsControls = false;
  /** Reports are not read. */
  isDeaf = false;
  /** Heartbeats are refused as in an outage. */
  isSilent = false;
  epoch = 1n;
  leaseMs = 30_000;
  readonly #broker: Broker;
  readonly #ending = new AbortController();
  readonly #reading: Promise<void>;
  #incarnation = "";

  constructor(broker: Broker) {
    this.#broker = broker;
    this.transport = createRouterTransport((router) => {
      router.service(WorkerService, {
        heartbeat: (request) => this.#heartbeat(request),
        fetchProgram: (request) => this.#fetchProgram(request),
        storeArtifact: (pieces) => this.#storeArtifact(pieces),
      });
    });
    this.#reading = this.#read(this.#ending.signal);
  }

  /** Publishes an attempt of a task without a program. */
  async assign(handler: string, config: unknown, taskId: string = randomUUID()): Promise<OwnedAttempt> {
    return await this.#publish({ handler, config, taskId, attempt: 1 });
  }

  /** Publishes an attempt of a program. */
  async assignProgram(
    content: string,
    {
      fileName = "program.py",
      input,
      taskId = randomUUID(),
      attempt = 1,
      ...config
    }: {
      readonly fileName?: string;
      readonly input?: unknown;
      readonly taskId?: string;
      readonly attempt?: number;
      readonly arguments?: readonly string[];
      readonly wall_time_ms?: number;
    } = {},
  ): Promise<OwnedAttempt> {
    const program = { fileName, content };
    const whole = { ...config, file_name: fileName };
    return await this.#publish({ handler: "program", config: whole, taskId, attempt, program, input });
  }

  async cancel(attempt: OwnedAttempt): Promise<void> {
    attempt.isCancelled = true;
    await this.order(attempt, {
      case: "cancelRequested",
      value: { $typeName: "antiphon.worker.v1.CancelRequested" },
    });
  }

  /** Answers a prompt; sealed when it asked for a password. */
  async answer(attempt: OwnedAttempt, promptId: string, text: string): Promise<void> {
    const prompt = attempt.prompts.get(promptId);
    if (prompt === undefined || attempt.sealKey === undefined) throw new Error(`no prompt ${promptId}`);
    const about = { taskId: attempt.taskId, attempt: attempt.attempt, promptId };
    const answer = prompt.password
      ? ({ case: "sealed", value: seal(text, { ...about, publicKey: attempt.sealKey }) } as const)
      : ({ case: "text", value: text } as const);
    const requestId = randomUUID();
    const value = {
      $typeName: "antiphon.worker.v1.Answered",
      promptId,
      answeredBy: "a-client",
      requestId,
      answer,
    } as const;
    // As the scheduler does, a sealed answer is passed on and not kept.
    if (!prompt.password) prompt.answer = { case: "answered", value };
    await this.order(attempt, { case: "answered", value });
  }

  /** Lets the lease go, as for a worker that was silent for too long. */
  lapse(attempt: OwnedAttempt): void {
    attempt.leaseToken = "another's";
  }

  /** Publishes an order. */
  async order({ taskId, attempt, workerId }: OwnedAttempt, order: Order, epoch = this.epoch): Promise<void> {
    if (workerId === undefined || this.losesControls) return;
    const control: Control = {
      $typeName: "antiphon.worker.v1.Control",
      partition,
      epoch,
      taskId,
      attempt,
      order,
    };
    const body = encodeControls(create(ControlBatchSchema, { controls: [control] }));
    const publication = { stream: controlStreamOf(workerId), body };
    await this.#broker.publish(this.repeatsControls ? [publication, publication] : [publication]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#reading;
  }

  async #publish({
    handler,
    config,
    taskId,
    attempt,
    program,
    input,
  }: {
    readonly handler: string;
    readonly config: unknown;
    readonly taskId: string;
    readonly attempt: number;
    readonly program?: OwnedAttempt["program"];
    readonly input?: unknown;
  }): Promise<OwnedAttempt> {
    const owned: OwnedAttempt = {
      taskId,
      attempt,
      program,
      input,
      leaseToken: undefined,
      workerId: undefined,
      sealKey: undefined,
      hasStarted: false,
      report: 0,
      prompts: new Map(),
      receipts: [],
      isCancelled: false,
      ended: undefined,
      files: new Map(),
    };
    this.attempts.set(`${taskId}#${attempt}`, owned);
    await this.republish(owned, handler, config);
    return owned;
  }

  /** Publishes an attempt again, as a sweep does. */
  async republish({ taskId, attempt }: OwnedAttempt, handler: string, config: unknown): Promise<void> {
    const assignment = create(AssignmentSchema, {
      taskId,
      runId: taskId,
      partition,
      nodeId: "main",
      attempt,
      handler,
      config: Buffer.from(JSON.stringify(config)),
    });
    await this.#broker.publish([{ stream: workStreamOf(handler), body: encodeAssignment(assignment) }]);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const stream = reportStreamOf(partition);
    while (!signal.aborted) {
      try {
        if (this.isDeaf) {
          await delay(20, signal);
          continue;
        }
        const after = new Map<string, EntryId>([[stream, "0-0"]]);
        const entries = await this.#broker.read({ after, count: 500, waitMs: 200 }, signal);
        if (this.isDeaf) continue;
        for (const { body } of entries) await this.#apply(decodeReport(body));
        await this.#broker.remove(
          stream,
          entries.map(({ id }) => id),
        );
      } catch (error) {
        if (!(error instanceof BrokerUnavailable)) throw error;
        await delay(50, signal);
      }
    }
  }

  async #apply(report: Report): Promise<void> {
    this.arrived.push(report);
    const owned = this.attempts.get(`${report.taskId}#${report.attempt}`);
    if (owned === undefined) return;
    const { leaseToken } = owned;
    if (leaseToken !== undefined && leaseToken !== report.leaseToken) {
      await this.order({ ...owned, workerId: report.workerId }, lost);
      return;
    }
    if (report.number > owned.report + 1) return;
    if (report.number === owned.report + 1) {
      owned.leaseToken = report.leaseToken;
      owned.workerId = report.workerId;
      owned.report = report.number;
      applyFact(owned, report.fact);
    }
    if (report.fact.case === "leaseRequested") await this.order(owned, grantTo(report.leaseToken));
    await this.order(owned, confirmUpTo(owned.report));
  }

  #heartbeat(request: HeartbeatRequest) {
    this.heartbeats.push(request);
    if (this.isSilent) throw toConnectError(new DomainError("OWNER_UNAVAILABLE", "no owner"));
    if (request.registering) this.#incarnation = request.incarnation;
    if (request.incarnation !== this.#incarnation) {
      throw toConnectError(new DomainError("WORKER_SUPERSEDED", "a newer process registered"));
    }
    const known = request.attempts.flatMap((held) => {
      const owned = this.attempts.get(`${held.taskId}#${held.attempt}`);
      return owned === undefined ? [] : [{ owned, held }];
    });
    const controls = known.flatMap(({ owned, held }) =>
      ordersFor(owned, held).map((order) => ({ partition, epoch: this.epoch, ...place(owned), order })),
    );
    const renewed = known
      .filter(({ owned, held }) => owned.leaseToken === held.leaseToken)
      .map(({ owned }) => place(owned));
    return { controls, renewed, lease: durationFromMs(this.leaseMs), interval: durationFromMs(200) };
  }

  #fetchProgram(request: FetchProgramRequest) {
    const { program, input } = this.#held(request);
    const content = Buffer.from(program?.content ?? "");
    return {
      program: { fileName: program?.fileName ?? "", content },
      input: input === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(input)),
    };
  }

  async #storeArtifact(pieces: AsyncIterable<StoreArtifactRequest>) {
    const chunks: Uint8Array[] = [];
    let keep: ((content: Uint8Array) => void) | undefined;
    for await (const { piece } of pieces) {
      if (piece.case === "chunk") chunks.push(piece.value);
      if (piece.case !== "header") continue;
      const { path } = piece.value;
      const { files } = this.#held(piece.value);
      keep = (content) => files.set(path, content);
    }
    keep?.(Buffer.concat(chunks));
    return {};
  }

  #held({
    taskId,
    attempt,
    leaseToken,
  }: {
    taskId: string;
    attempt: number;
    leaseToken: string;
  }): OwnedAttempt {
    const owned = this.attempts.get(`${taskId}#${attempt}`);
    if (owned?.leaseToken === leaseToken) return owned;
    throw toConnectError(new DomainError("LEASE_LOST", "the lease is another's"));
  }
}

const lost: Order = { case: "leaseLost", value: { $typeName: "antiphon.worker.v1.LeaseLost" } };

const grantTo = (leaseToken: string): Order => ({
  case: "granted",
  value: { $typeName: "antiphon.worker.v1.Granted", leaseToken },
});

const confirmUpTo = (upTo: number): Order => ({
  case: "confirmed",
  value: { $typeName: "antiphon.worker.v1.Confirmed", upTo },
});

const place = ({ taskId, attempt }: OwnedAttempt): { taskId: string; attempt: number } => ({
  taskId,
  attempt,
});

function applyFact(owned: OwnedAttempt, fact: Report["fact"]): void {
  switch (fact.case) {
    case "leaseRequested":
      owned.sealKey = fact.value.sealKey;
      return;
    case "started":
      owned.hasStarted = true;
      return;
    case "promptOpened":
      owned.prompts.set(fact.value.promptId, fact.value);
      return;
    case "sealedAnswerReceived":
      owned.receipts.push(fact.value.promptId);
      return;
    case "ended":
      owned.ended = fact.value;
      return;
    case "released":
      // Whoever looks at the attempt finds it without an end.
      return;
    case undefined:
      throw new Error("a report without a fact");
  }
}

/** What history knows and the worker does not. */
function ordersFor(owned: OwnedAttempt, held: HeldAttempt): Order[] {
  if (owned.leaseToken !== undefined && owned.leaseToken !== held.leaseToken) return [lost];
  if (owned.leaseToken === undefined) return [];
  const answers = held.openPromptIds.flatMap((promptId) => owned.prompts.get(promptId)?.answer ?? []);
  return [
    ...(held.awaitsGrant ? [grantTo(held.leaseToken)] : []),
    ...(owned.report > held.confirmed ? [confirmUpTo(owned.report)] : []),
    ...answers,
    ...(owned.isCancelled && !held.knowsCancel
      ? [{ case: "cancelRequested", value: { $typeName: "antiphon.worker.v1.CancelRequested" } } as const]
      : []),
  ];
}
