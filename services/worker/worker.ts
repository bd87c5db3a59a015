import { randomUUID } from "node:crypto";
import type { Transport } from "@connectrpc/connect";
import { type Broker, type EntryId, partsOf } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { AddressPolicy } from "../../lib/outbound/address-policy.ts";
import type { AllowedHost } from "../../lib/outbound/allowed-host.ts";
import { guardedClient } from "../../lib/outbound/call-client.ts";
import { resolver } from "../../lib/outbound/resolve-host.ts";
import { controlStreamOf } from "../../lib/streams/control-stream.ts";
import { servedDemands, workStreamOf } from "../../lib/streams/work-stream.ts";
import { Budget } from "./budget.ts";
import { ControlGate } from "./control-gate.ts";
import { controlLoop } from "./control-loop.ts";
import { callExternalService } from "./handlers/call-external-service.ts";
import { callStandIn } from "./handlers/call-stand-in.ts";
import type { Handler } from "./handlers/handler.ts";
import { withLargePayloads } from "./handlers/large-payloads.ts";
import { type LlmSettings, llm } from "./handlers/llm.ts";
import { noop } from "./handlers/noop.ts";
import { program } from "./handlers/program.ts";
import { refusedProgram } from "./handlers/refused-program.ts";
import { unreliableHandler } from "./handlers/unreliable-handler.ts";
import { heartbeatLoop } from "./heartbeat-loop.ts";
import { HeldAttempts } from "./held-attempts.ts";
import type { Isolation } from "./isolation.ts";
import { leaseLoop } from "./lease-loop.ts";
import type { LeaseTerms } from "./lease-terms.ts";
import { ReportOutbox } from "./report-outbox.ts";
import type { SchedulerCalls } from "./scheduler-calls.ts";
import { schedulerClient } from "./scheduler-client.ts";
import type { Slots } from "./slots.ts";
import { takeLoop } from "./take-loop.ts";
import { TranscriptWriter } from "./transcript-writer.ts";

/** What a worker is told about itself; see config.ts for where it comes from. */
export interface WorkerSettings {
  readonly workerId: string;
  readonly stream: string;
  readonly group: string;
  /** The queues that it serves; the default one is empty. */
  readonly queues: readonly string[];
  /** What tasks may ask of it. */
  readonly labels: Readonly<Record<string, string>>;
  /** How many short attempts are carried out at once. */
  readonly slots: number;
  /** How many calls of others (HTTP, language models); 0 offers none. */
  readonly callSlots: number;
  /** How many programs; 0 offers none. */
  readonly programSlots: number;
  /** How long a worker that is stopped waits for what it holds before it ends it. */
  readonly drainMs: number;
}

/** What calls may reach. */
export interface CallSettings {
  /** What may be called although it is not public. */
  readonly allowedHosts: readonly AllowedHost[];
  /** Undefined where no language model is set up. */
  readonly llm: LlmSettings | undefined;
}

export interface WorkerNeeds {
  readonly broker: Broker;
  /** To WorkerService. */
  readonly scheduler: Transport;
  /** Owned by the caller, and to be disposed of after the worker. */
  readonly isolation: Isolation;
  readonly settings: WorkerSettings;
  readonly calls: CallSettings;
  /** Whether marked stand-ins answer for hosts with a name of one word that do not resolve, and for the language model that is not set up: for trying out, never for production. */
  readonly standIns: boolean;
  readonly log: Logger;
}

/** A worker at work. Disposing of it takes no more work, waits for what it holds within bounds, and ends the rest. */
export interface RunningWorker extends AsyncDisposable {
  readonly name: "worker";
  /** Rejects, with the reason, while the worker cannot do its work. */
  readonly check: () => Promise<void>;
  /** Resolves when the worker has ended by itself: a newer process runs under its id, or a defect stopped it. Never rejects. */
  readonly ended: Promise<
    { readonly kind: "superseded" } | { readonly kind: "broken"; readonly error: unknown }
  >;
}

/** Output of all tasks that is not archived yet, in bytes. */
const unarchivedBytes = 64 * 1_048_576;

/** Attempts that are over and wait for their owners, besides those at work. */
const unconfirmedAttempts = 4_096;

/** Reports are repeated when they were not confirmed for so long. */
const repeatAfterMs = 2_000;

/** Until the scheduler has named another, and so much of it is left when a lease is given up. */
const defaultLeaseMs = 30_000;
const leaseMarginMs = 5_000;

/** After this silence of the scheduler a worker calls itself unfit. */
const unheardMs = 20_000;

/** How long programs may take to end when the worker does; above their grace. */
const endProgramsMs = 3_000;

/** Starts a worker. Rejects when the broker is away. */
export async function worker(needs: WorkerNeeds): Promise<RunningWorker> {
  const { broker, settings, log } = needs;
  const { workerId } = settings;
  const scheduler = schedulerClient(needs.scheduler);
  const lease: LeaseTerms = { leaseMs: defaultLeaseMs, marginMs: leaseMarginMs };
  const outbox = new ReportOutbox({ broker, log });
  const handlers = new Map(
    [...handlersOf(needs, scheduler)].map(([name, handler]) => {
      return [name, withLargePayloads(handler, { scheduler, log })] as const;
    }),
  );
  const allSlots = settings.slots + settings.callSlots + settings.programSlots;
  const incarnation = randomUUID();
  const workerBudget = new Budget(unarchivedBytes);
  const held = new HeldAttempts({
    handlers,
    slots: settings.slots,
    callSlots: settings.callSlots,
    programSlots: settings.programSlots,
    places: allSlots + unconfirmedAttempts,
    host: {
      workerId,
      incarnation,
      lease,
      log,
      send: (report) => outbox.add(report),
      transcript: (of) => new TranscriptWriter({ ...of, broker, workerBudget }),
    },
  });
  const gate = new ControlGate({ attempts: held, log });
  const controlsAfter = await forgetFormerControls(broker, workerId);

  const taking = new AbortController();
  const working = new AbortController();
  const registered = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Awaited<RunningWorker["ended"]>>();
  let heardAtMs = Number.NEGATIVE_INFINITY;

  const breakDown = (error: unknown): void => {
    log.fatal({ err: error, workerId }, "worker broken");
    taking.abort();
    ended.resolve({ kind: "broken", error });
  };
  // A program that this worker refuses takes no program slot.
  const programSlots = handlers.get("program")?.kind === "short" ? held.shortSlots : held.programSlots;
  const demands = servedDemands(settings).map((each) => ({ ...each, stream: settings.stream }));
  /** Takes from the stream of a handler, and of all that share it. */
  const takeFrom = async (handler: string, slots: Slots): Promise<void> => {
    const streams = demands.map((each) => workStreamOf(handler, each));
    const streamOf = (other: string, like: string) => workStreamOf(other, demands[streams.indexOf(like)]);
    await registered.promise;
    await takeLoop(
      { broker, streams, group: settings.group, workerId, slots, held, streamOf, log },
      taking.signal,
    );
  };
  const beat = async (): Promise<void> => {
    const outcome = await heartbeatLoop(
      {
        scheduler,
        workerId,
        incarnation,
        handlers: [...handlers.keys()],
        queues: settings.queues,
        labels: settings.labels,
        slots: allSlots,
        programSlots: needs.isolation.kind === "usable" ? settings.programSlots : 0,
        sandbox: needs.isolation.kind === "usable" ? needs.isolation.sandbox.report.backend : "",
        held,
        gate,
        lease,
        heard: () => {
          heardAtMs = performance.now();
          registered.resolve();
        },
        log,
      },
      working.signal,
    );
    if (outcome === "stopped") return;
    log.error({ workerId }, "superseded by a newer process of the same worker id");
    taking.abort();
    for (const attempt of held) attempt.abandon("lost");
    ended.resolve({ kind: "superseded" });
  };
  const loops = [
    controlLoop({ broker, workerId, gate, log }, controlsAfter, working.signal),
    outbox.publishLoop(working.signal),
    outbox.repeatLoop({ attempts: held, afterMs: repeatAfterMs }, working.signal),
    leaseLoop({ attempts: held, log }, working.signal),
    beat(),
    takeFrom("noop", held.shortSlots),
    ...(settings.callSlots > 0 ? [takeFrom("call_external_service", held.callSlots)] : []),
    ...(settings.programSlots > 0 ? [takeFrom("program", programSlots)] : []),
  ].map((loop) => loop.catch(breakDown));
  log.info({ workerId, incarnation, handlers: [...handlers.keys()] }, "working");

  return {
    name: "worker",
    ended: ended.promise,
    check: async () => {
      if (performance.now() - heardAtMs > unheardMs) throw new Error("the scheduler has not answered lately");
      if (taking.signal.aborted) throw new Error("the worker takes no more work");
      await broker.ping(2_000);
    },
    [Symbol.asyncDispose]: async () => {
      taking.abort();
      registered.resolve();
      await held.untilEmpty(settings.drainMs, working.signal);
      for (const attempt of held) attempt.abandon("shutdown");
      await held.untilEmpty(endProgramsMs, working.signal);
      working.abort();
      await Promise.all(loops);
    },
  };
}

function handlersOf(needs: WorkerNeeds, scheduler: SchedulerCalls): Map<string, Handler> {
  const { isolation, settings, log } = needs;
  const handlers = new Map<string, Handler>([["noop", noop]]);
  if (settings.callSlots > 0) addCallHandlers(handlers, needs);
  if (settings.programSlots === 0) return handlers;
  if (isolation.kind === "usable") handlers.set("program", program({ ...isolation, scheduler, log }));
  else handlers.set("program", refusedProgram(isolation));
  return handlers;
}

function addCallHandlers(handlers: Map<string, Handler>, { calls, standIns }: WorkerNeeds): void {
  const resolve = resolver();
  const openClient = guardedClient({ policy: new AddressPolicy(calls.allowedHosts), resolve });
  const standIn = standIns ? callStandIn(resolve) : undefined;
  handlers.set("call_external_service", callExternalService({ openClient, standIn }));
  handlers.set("llm", llm(calls.llm ?? (standIns ? "echo" : "none")));
  handlers.set("unreliable_handler", unreliableHandler);
}

/** Removes what is left of the orders for a former process; answers after which id those for this one stand. */
async function forgetFormerControls(broker: Broker, workerId: string): Promise<EntryId> {
  const stream = controlStreamOf(workerId);
  const last = await broker.lastId(stream);
  const [major, minor] = partsOf(last);
  if (major > 0) await broker.trim(stream, `${major}-${minor + 1}`);
  return last;
}
