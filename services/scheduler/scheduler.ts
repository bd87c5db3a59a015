/*
 * Composition: who decides, who commits, who lets out, and the loops that keep
 * them going. See ARCHITECTURE.md for the whole, and each file for its promises.
 */
import { randomUUID } from "node:crypto";
import { createClient, type Transport } from "@connectrpc/connect";
import { OwnerService } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import { TaskStateService } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TranscriptService } from "../../gen/antiphon/internal/v1/transcript_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { Bell } from "../../lib/async/bell.ts";
import type { Broker } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Database } from "../../lib/postgres/database.ts";
import { internalOnly, publicAccessOf } from "../../lib/rpc/access.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { Announcer } from "./announcer.ts";
import { ApprovalTranscript } from "./approval-transcript.ts";
import { cancelHidden } from "./cancel-hidden.ts";
import { ChildRuns } from "./child-runs.ts";
import { choreLoop } from "./chore-loop.ts";
import { claimLoop } from "./claim-loop.ts";
import { CommandRouter } from "./command-router.ts";
import { Commands } from "./commands.ts";
import type { SchedulerSettings } from "./config.ts";
import { readyTasks } from "./core/evolve.ts";
import { isHeldByWorker } from "./core/run.ts";
import { DatabaseClock } from "./database-clock.ts";
import { Dispatcher } from "./dispatcher.ts";
import { eventPages } from "./event-pages.ts";
import { hearWorker } from "./hear-worker.ts";
import { historyStore } from "./history-store.ts";
import { keepFiles } from "./kept-files.ts";
import { KnownHandlers } from "./known-handlers.ts";
import { LeaseWatch, ListeningClock } from "./lease-watch.ts";
import { MachineLoad } from "./machine-load.ts";
import { Owner, ownerAway } from "./owner.ts";
import { OwnerDirectory } from "./owner-directory.ts";
import { partitionStore } from "./partition-store.ts";
import { payloadStore } from "./payload-store.ts";
import { Peers } from "./peers.ts";
import { envSeal } from "./program-env.ts";
import { removalLoop } from "./removal-loop.ts";
import { removalStore } from "./removal-store.ts";
import { ReportReader } from "./report-reader.ts";
import { reservationStore } from "./reservation-store.ts";
import { Reservations } from "./reservations.ts";
import { deleteRun } from "./rpc/delete-run.ts";
import { ownerService } from "./rpc/owner-service.ts";
import { downloadResults } from "./rpc/results.ts";
import { runCommands } from "./rpc/run-commands.ts";
import { runs } from "./rpc/runs.ts";
import { schedules } from "./rpc/schedules.ts";
import { getServerStatus } from "./rpc/server-status.ts";
import { startSource } from "./rpc/start-source.ts";
import { taskLists } from "./rpc/task-lists.ts";
import { taskStateService } from "./rpc/task-state-service.ts";
import { tasks } from "./rpc/tasks.ts";
import { uploads } from "./rpc/uploads.ts";
import { watchRun } from "./rpc/watch-run.ts";
import { workerService } from "./rpc/worker-service.ts";
import { workflows } from "./rpc/workflows.ts";
import { RunFeeds } from "./run-feeds.ts";
import { pastNews } from "./run-history.ts";
import { RunLoader } from "./run-loader.ts";
import { changeNews } from "./run-message.ts";
import { runRowOf } from "./run-row.ts";
import { runStore } from "./run-store.ts";
import { scheduleFiringStore } from "./schedule-firing-store.ts";
import { scheduleLoop } from "./schedule-loop.ts";
import { scheduleStore } from "./schedule-store.ts";
import { serverStatusStore } from "./server-status-store.ts";
import { Sweeper, sweepIntervalMs } from "./sweeper.ts";
import { taskStore } from "./task-store.ts";
import { Timers } from "./timer-loop.ts";
import { uploadStore } from "./upload-store.ts";
import { Uploads } from "./uploads.ts";
import { workerStore } from "./worker-store.ts";
import { workflowStore } from "./workflow-store.ts";

/** What the removal of a part of some transcripts may take. */
const transcriptsTimeoutMs = 30_000;

/** What a heartbeat round may take beyond the interval. */
const roundSlackMs = 1_000;

export interface SchedulerDeps {
  readonly db: Database;
  readonly broker: Broker;
  readonly storage: Storage;
  readonly log: Logger;
  readonly settings: SchedulerSettings;
  /** The secret of the installation, by which environments of programs are sealed. */
  readonly secretKey: string;
  /** Where other replicas reach this one; empty when there are none. */
  readonly address: string;
  /** How to reach another replica, with internal tokens. */
  readonly transportTo: (address: string) => Transport;
  /** How to reach taskio, with internal tokens; asked for when it is needed, because taskio may start later. */
  readonly taskio: () => Transport;
  /** Drawn by the caller when it wants to know it; random else. */
  readonly incarnation?: string;
  /** A replica that is known to be dead, whose partitions may be taken at once. */
  readonly formerIncarnation?: string | undefined;
}

/** Starts a replica. Resolves when its first claims are made; disposing gives its partitions back. */
export async function scheduler(deps: SchedulerDeps): Promise<RunningService> {
  const { db, broker, storage, log, settings, address } = deps;
  const incarnation = deps.incarnation ?? randomUUID();
  const history = historyStore(db);
  const envs = envSeal(deps.secretKey);
  const partitions = partitionStore(db);
  const workers = workerStore(db);
  const payloads = payloadStore(db);
  const storedWorkflows = workflowStore(db);
  const storedRuns = runStore(db);
  const loader = new RunLoader(history, storedWorkflows);
  const load = async (runId: string) => await loader.loadOne(runId);
  const loadAll = async (runIds: readonly string[]) => await loader.load(runIds);

  const clock = new DatabaseClock();
  const listening = new ListeningClock(sweepIntervalMs);
  const leases = new LeaseWatch(listening);
  const feeds = new RunFeeds();
  const directory = new OwnerDirectory();
  const peers = new Peers(deps.transportTo);
  const dispatcher = new Dispatcher({ broker, clock: listening, log, stream: settings.workStream });
  const announcer = new Announcer({ broker, dispatcher, leases, feeds, log });
  let loss = new AbortController();

  const owner: Owner = new Owner({
    incarnation,
    history,
    load: async (runId) => await loader.loadToDecide(runId),
    clock: () => clock.now(),
    newsOf: (run, changed) => (feeds.has(run.runId) ? changeNews(run, changed) : undefined),
    onCommitted: (committed) => {
      announcer.announce(committed);
      commands.onCommitted(committed);
      timers.onCommitted(committed);
      children.onCommitted(committed);
      approvals.onCommitted(committed);
    },
    onDropped: ({ partitions: dropped, runs: droppedRuns }) => {
      dispatcher.drop(droppedRuns);
      timers.drop(droppedRuns);
      approvals.drop(droppedRuns);
      children.drop(droppedRuns);
      for (const run of droppedRuns) for (const task of run.tasks) leases.forget(task);
      feeds.drop(dropped);
      loss.abort();
    },
    log,
  });
  const timers = new Timers({
    owner,
    clock: () => clock.now(),
    isAnswerUnderway: (question) => commands.isAnswerUnderway(question),
    log,
  });
  const approvals = new ApprovalTranscript({ broker, log });
  const planOf = async (workflowId: string) => {
    const plan = (await loader.plansOf([workflowId])).get(workflowId);
    if (plan === undefined) throw new Error(`workflow ${workflowId} has no plan`);
    return plan;
  };
  const reservations = new Reservations({ incarnation, store: reservationStore(db) });
  const commands = new Commands({
    owner,
    reservations,
    planOf,
    load,
    programOf: async (runId) => await history.program(runId),
    envs,
    keepFiles: async (repetition) => await keepFiles(storage, repetition),
    order: (orders) => announcer.order(orders),
  });
  const children = new ChildRuns({ owner, workflows: storedWorkflows, planOf, log });
  const reports = new ReportReader({ broker, owner, payloads, clock: listening, log });
  const { leaseMs, heartbeatMs } = settings;
  const sweeper = new Sweeper({
    incarnation,
    leaseMs,
    roundMs: heartbeatMs + roundSlackMs,
    broker,
    owner,
    clock: listening,
    leases,
    dispatcher,
    reports,
    aliveWorkers: async () => await workers.aliveSlots(leaseMs),
    onBrokerLoss: () => approvals.writeAgain(),
    log,
  });
  const hearHere = async (request: Parameters<typeof hearWorker>[1]) =>
    await hearWorker({ owner, leases, dispatcher, sweeper }, request);

  const stop = new AbortController();
  const stopCommits = new AbortController();
  if (deps.formerIncarnation !== undefined) await partitions.resign(deps.formerIncarnation);
  const claimed = Promise.withResolvers<void>();
  const claiming = claimLoop(
    {
      incarnation,
      address,
      leaseMs: settings.replicaLeaseMs,
      partitions,
      liveRuns: async (numbers) => await history.liveRuns(numbers),
      load: async (runIds) => await loader.loadToConduct(runIds),
      async writeRows(claims, live) {
        const nothing = { events: [], started: [], programs: [] };
        await history.append({ ...nothing, incarnation, claims, changed: live.map(runRowOf) });
      },
      owner,
      async onClaimed(claims, live) {
        owner.adopt(claims, live);
        for (const run of live) {
          for (const task of run.tasks) {
            const { lease } = task;
            if (lease !== undefined && isHeldByWorker(task)) leases.watch({ run, task, ...lease });
          }
          timers.adopt(run);
          approvals.adopt(run);
          children.adopt(run);
          for (const { task, config: resolved } of readyTasks(run)) dispatcher.assume(run, task, resolved);
        }
        await sweeper.republishAfterRound();
      },
      onOwnerships: (ownerships) => {
        directory.update(ownerships);
        claimed.resolve();
      },
      onClock: (databaseTime, readAt) => clock.set(databaseTime, readAt),
      nextLoss: () => {
        loss = new AbortController();
        return loss.signal;
      },
      log,
    },
    stop.signal,
  );
  const loops = [claiming, reports.run(stop.signal), sweeper.run(stop.signal), timers.run(stop.signal)];
  const committing = owner.commitLoop(stopCommits.signal);
  await Promise.race([claimed.promise, claiming]);

  const owned = {
    claims: owner.claims,
    feeds,
    past: async (request: { readonly runId: string; readonly afterSeq: number }) =>
      await pastNews({ history, loader }, request),
  };
  const router = new CommandRouter({ claims: owner.claims, commands, directory, peers });
  const handlers = new KnownHandlers(workers);
  const knownHandlers = async () => await handlers.all();
  const source = startSource({ workflows: storedWorkflows, planOf, knownHandlers });
  const offers = async () => await workers.offers(leaseMs);
  const storedSchedules = scheduleStore(db, envs);
  const firings = scheduleFiringStore(db, envs);
  const programOf = async (scheduleId: string) => await firings.program(scheduleId);
  const starts = { find: source.find, programOf };
  const conducting = { incarnation, claims: owner.claims, store: firings, commands, starts, load, log };
  loops.push(scheduleLoop(conducting, stop.signal));
  const uploadedFiles = new Uploads({ store: uploadStore(db), storage });
  const removals = removalStore(db);
  const removalAsked = new Bell();
  const removing = {
    owner,
    store: removals,
    storage,
    async removeTranscripts(runIds: readonly string[], signal: AbortSignal) {
      const transcripts = createClient(TranscriptService, deps.taskio());
      const options = { signal, timeoutMs: transcriptsTimeoutMs };
      return (await transcripts.deleteTranscripts({ runIds: [...runIds] }, options)).done;
    },
    retentionMs: settings.retentionMs,
    asked: removalAsked,
    log,
  };
  loops.push(removalLoop(removing, stop.signal));
  const machine = new MachineLoad();
  const chores = [
    async () => {
      machine.sample();
      return false;
    },
    async () => await cancelHidden({ owner, store: removals }),
    async () => await reservations.release([...owner.claims.values()]),
    // Whose files are old is nobody's partition.
    async () => owner.claims.has(0) && (await uploadedFiles.removeOld()),
  ];
  loops.push(choreLoop({ chores, log }, stop.signal));
  return {
    name: "scheduler",
    routes: (rpc) => {
      rpc.service(SchedulerService, {
        ...tasks({ router, load, offers, uploads: uploadedFiles }),
        ...uploads(uploadedFiles),
        ...taskLists({ load, loadAll, tasks: taskStore(db) }),
        ...workflows({ workflows: storedWorkflows, knownHandlers }),
        ...runs({ load, runs: storedRuns, events: eventPages({ history, loader }), offers }),
        ...runCommands({ router, load, source }),
        ...schedules({ store: storedSchedules, starts, router, load, uploads: uploadedFiles }),
        deleteRun: deleteRun({ removals, router, onHidden: () => removalAsked.ring() }),
        getServerStatus: getServerStatus({ statuses: serverStatusStore(db), machine, leaseMs }),
        watchRun: watchRun({ load, owned, directory, peers }),
        downloadResults: downloadResults({ load, storage }),
      });
      rpc.service(
        WorkerService,
        workerService({
          incarnation,
          leaseMs,
          heartbeatMs,
          workers,
          directory,
          peers,
          hearHere,
          // A history may have gigabytes, of which a worker with hundreds of slots would have each attempt fold all.
          load: async (runId) => owner.recordOf(runId) ?? (await load(runId)),
          history,
          envs,
          payloads,
          storage,
        }),
      );
      rpc.service(OwnerService, ownerService({ commands, hearHere, owned }));
      rpc.service(TaskStateService, taskStateService({ router, owner, history, loadAll }));
    },
    access: {
      ...publicAccessOf(SchedulerService),
      ...publicAccessOf(WorkerService),
      [OwnerService.typeName]: internalOnly,
      [TaskStateService.typeName]: internalOnly,
    },
    async check() {
      await db.ping();
      if (owner.claims.size === 0 && directory.ownerOf(0) === undefined) throw ownerAway(0);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(loops);
      await children[Symbol.asyncDispose]();
      stopCommits.abort();
      await committing;
      await announcer.idle();
      await approvals.idle();
      owner.lose(new Set(owner.claims.keys()));
      await partitions.resign(incarnation).catch((error: unknown) => {
        log.warn({ err: error }, "partitions not given back");
      });
    },
  };
}
