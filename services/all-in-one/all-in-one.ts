/*
 * Every service in one process, by the same composition functions as on their
 * own; between them in-memory transports instead of sockets.
 *
 *   O1. The data folder is locked before anything in it is touched.
 *   O2. Disposing ends in the reverse order of opening: first the port, then the
 *       worker, then the services, at last broker, database and lock.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { logger } from "../../lib/log/log.ts";
import { clientCredentials } from "../../lib/rpc/client-credentials.ts";
import { internalToken, type TokenSource } from "../../lib/rpc/internal-token.ts";
import { localTransport } from "../../lib/rpc/local-transport.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import { serve } from "../../lib/rpc/serve.ts";
import { tokenVerifier } from "../../lib/rpc/tokens.ts";
import { fileStorage } from "../../lib/storage/file-storage.ts";
import { auth } from "../auth/auth.ts";
import { Edge } from "../gateway/edge/edge.ts";
import { gateway } from "../gateway/gateway.ts";
import { localCaller } from "../gateway/http/local-caller.ts";
import { scheduler } from "../scheduler/scheduler.ts";
import { taskio } from "../taskio/taskio.ts";
import { openIsolation } from "../worker/isolation.ts";
import { worker } from "../worker/worker.ts";
import { DataFolder } from "./data-folder.ts";
import { clientFor, localClients } from "./local-clients.ts";
import { openBroker } from "./open-broker.ts";
import { openDatabase } from "./open-database.ts";
import type { AllInOneSettings } from "./settings.ts";
import type { StartUp } from "./start-up-lines.ts";
import { version } from "./version.ts";

/** What calls get to end by themselves when the server stops: whoever watches a task would stay for ever. */
const shutdownGraceMs = 500;

/** A server at work. */
export interface AllInOne extends AsyncDisposable {
  readonly startUp: StartUp;
  /** Resolves when the server can not go on: its Postgres or its worker ended by itself; the text says why. */
  readonly broken: Promise<string>;
}

/** Starts everything. Rejects when the data folder is in use, the port is taken, or a part does not come up; then nothing is left running. */
export async function allInOne(settings: AllInOneSettings, logLevel = "warn"): Promise<AllInOne> {
  const { config, worker: workerConfig } = settings;
  const { edge: edgeSettings, tls } = settings.port;
  const begunAt = performance.now();
  // People read the terminal of this process; what is not worth their time is not said.
  const log = logger("antiphon", logLevel);
  const incarnation = randomUUID();
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await DataFolder.open(config.dataDirectory, incarnation));
  const dataDirectory = folder.path;
  const secretKey = config.secretKey?.() ?? (await folder.secretKey());

  const [database, brokerage, isolation] = await Promise.all([
    openDatabase({ url: config.databaseUrl, dataDirectory, log }).then((opened) => stack.use(opened)),
    openBroker({ url: config.redisUrl, isProduction: config.isProduction, dataDirectory, log }).then(
      (opened) => stack.use(opened),
    ),
    openIsolation(workerConfig.isolation).then((opened) =>
      opened.kind === "usable" ? stack.use(opened) : opened,
    ),
  ]);
  const { db } = database;
  const { broker } = brokerage;

  const authService = stack.use(await auth({ db, secretKey, settings: settings.auth, log }));
  const clients = await localClients(dataDirectory, authService);
  const { fetchKeys, revocations } = authService;
  const verify = tokenVerifier({ fetchKeys, secretKey, revocations });
  const local = (service: RunningService, token?: TokenSource) =>
    localTransport(service, { verify, revocations, log, ...(token && { token }) });

  const schedulerService = stack.use(
    await scheduler({
      db,
      broker,
      storage: fileStorage(join(dataDirectory, "storage")),
      log,
      settings: settings.scheduler,
      secretKey,
      address: "",
      transportTo: () => {
        throw new Error("a server on one data folder has no peers");
      },
      taskio: () => taskioTransport,
      incarnation,
      formerIncarnation: folder.formerIncarnation,
    }),
  );
  const taskioService = stack.use(
    await taskio({
      db,
      broker,
      scheduler: local(schedulerService, internalToken(secretKey, "taskio")),
      log,
      settings: settings.taskio,
    }),
  );
  const taskioTransport = local(taskioService, internalToken(secretKey, "scheduler"));
  const asClient = (audience: "tasks-api" | "workers-api"): TokenSource =>
    clientCredentials({ transport: local(authService), ...clientFor(audience, clients) });
  const edge = stack.use(
    await Edge.open(
      { ...edgeSettings, auditLog: edgeSettings.auditLog ?? join(dataDirectory, "audit.log") },
      { boundTo: config.host, log },
    ),
  );
  const gatewayService = stack.use(
    gateway({
      auth: local(authService),
      scheduler: local(schedulerService),
      worker: local(schedulerService),
      taskio: local(taskioService),
      fetchKeys,
      behind: [authService, schedulerService, taskioService],
      edge,
      settings: settings.gateway,
      verify,
      localCaller: localCaller(settings.gateway.workflowRoutes, {
        boundTo: config.host,
        token: asClient("tasks-api"),
        edge: edgeSettings,
      }),
      log,
    }),
  );
  const localWorker = stack.use(
    await worker({
      broker,
      scheduler: local(schedulerService, asClient("workers-api")),
      isolation,
      settings: workerConfig.settings,
      calls: workerConfig.calls,
      // Whoever tries this out gets an answer to the samples as they are written.
      standIns: !config.isProduction,
      log,
    }),
  );
  const server = stack.use(
    await serve({
      host: config.host,
      port: config.port,
      services: [gatewayService],
      tls,
      fallback: gatewayService.fallback,
      verify: gatewayService.verify,
      around: gatewayService.around,
      upgrade: gatewayService.upgrade,
      interceptors: gatewayService.interceptors,
      log,
      shutdownGraceMs,
    }),
  );
  await folder.announce({ url: server.url, pid: process.pid });
  const running = stack.move();
  return {
    startUp: {
      version,
      dataDirectory,
      mustNameFolder: !config.isUsualFolder,
      postgres: database.chosen,
      broker: brokerage.chosen,
      ...(isolation.kind === "usable"
        ? {
            sandbox: isolation.sandbox.report.backend,
            python: `${isolation.environments.interpreter.path} (${isolation.environments.interpreter.version})`,
          }
        : {
            sandbox: `none, so programs are refused: ${isolation.reason}; try: ${isolation.mend}`,
            python: "–",
          }),
      standIns: config.isProduction
        ? "none"
        : workerConfig.calls.llm === undefined
          ? "for one-word hosts that do not resolve, and for language models (LLM_BASE_URL is not set)"
          : "for one-word hosts that do not resolve",
      url: server.url,
      wantsCertificates: tls?.clientCaPath !== undefined,
      clientsFile: clients.path,
      readyInMs: performance.now() - begunAt,
    },
    broken: Promise.race([
      database.ended.then((how) => `Postgres ended by itself (${how})`),
      localWorker.ended.then(({ kind }) => `the worker ended (${kind})`),
    ]),
    [Symbol.asyncDispose]: async () => await running.disposeAsync(),
  };
}
