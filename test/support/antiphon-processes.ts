/*
 * Antiphon as users run it: real processes on real ports, in one process or as
 * one process per service.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freshDatabase } from "./fresh-database.ts";
import { startRedis } from "./start-redis.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

/** The checkout. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** How long everything may take to come up; environments may have to be looked at first. */
const startMs = 60_000;

/** A client that the first start made. */
export interface Credentials {
  readonly client_id: string;
  readonly client_secret: string;
  readonly audience: string;
}

/** Antiphon at work. Disposing ends it and removes everything. */
export interface Antiphon extends AsyncDisposable {
  /** Where the gateway is. */
  readonly url: string;
  /** The folder with `server.json` and `clients.json`, for the command line. */
  readonly dataDirectory: string;
  readonly clients: readonly Credentials[];
  /** Its processes by name: `all`, or the services'. */
  readonly processes: Map<string, ChildProcess>;
  /** Ends a process by a signal and waits for its end. */
  readonly kill: (name: string, signal: NodeJS.Signals) => Promise<void>;
  /** Starts a process that has ended, as it was started, and waits until Antiphon answers again. */
  readonly start: (name: string) => Promise<void>;
}

/** The environment of a child: nothing of the tests' own that would point elsewhere. */
export function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME, LANG } = process.env;
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(PIP_|UV_|SSL_|.*_PROXY$|.*_proxy$|LOG_LEVEL$)/.test(name),
  );
  return { PATH, HOME, LANG, ...Object.fromEntries(kept), ...more };
}

/** Starts the server that `npm start` starts, on any free port. */
export async function startAllInOne(variables: Readonly<Record<string, string>> = {}): Promise<Antiphon> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder("e2e"));
  const dataDirectory = join(folder.path, "data");
  const port = String(await freePort());
  const launch = (): ChildProcess =>
    spawn(process.execPath, ["services/all-in-one/main.ts"], {
      cwd: root,
      env: environment({ ANTIPHON_DATA_DIR: dataDirectory, API_PORT: port, ...variables }),
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
  return await atWork({
    stack,
    launches: new Map([["all", launch]]),
    url: `http://127.0.0.1:${port}`,
    dataDirectory,
  });
}

/** What is another way than usual about services. */
interface ServiceOptions {
  /** Variables that all of them are given besides; they go first. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Those that `start` starts and nobody before. */
  readonly startedLater?: readonly string[];
  /** Is handed whatever they write. */
  readonly onOutput?: (chunk: Buffer) => void;
}

/** Starts each service as a process of its own, on Postgres and Redis of the test's. */
export async function startServices({
  variables: more = {},
  startedLater,
  onOutput,
}: ServiceOptions = {}): Promise<Antiphon> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder("e2e"));
  const database = stack.use(await freshDatabase());
  const redis = stack.use(await startRedis());
  const [gateway, auth, scheduler, taskio] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const address = (port: number) => `http://127.0.0.1:${port}`;
  const clients: Credentials[] = ["tasks-api", "workers-api", "clients-api"].map((audience) => ({
    client_id: `e2e-${audience}`,
    client_secret: `secret-of-${audience}-0123456789`,
    audience,
  }));
  const [tasks, workers, admins] = clients;
  const common = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ANTIPHON_SECRET_KEY: "a-secret-key-that-all-services-share",
    AUTH_URL: address(auth),
    SCHEDULER_URL: address(scheduler),
    TASKIO_URL: address(taskio),
  };
  const variables: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    auth: {
      AUTH_PORT: String(auth),
      ANTIPHON_TASKS_CLIENT_ID: tasks?.client_id ?? "",
      ANTIPHON_TASKS_CLIENT_SECRET: tasks?.client_secret ?? "",
      ANTIPHON_WORKER_CLIENT_ID: workers?.client_id ?? "",
      ANTIPHON_WORKER_CLIENT_SECRET: workers?.client_secret ?? "",
      ANTIPHON_LOCAL_CLIENT_ID: admins?.client_id ?? "",
      ANTIPHON_LOCAL_CLIENT_SECRET: admins?.client_secret ?? "",
    },
    scheduler: { SCHEDULER_PORT: String(scheduler), STORAGE_DIR: join(folder.path, "storage") },
    taskio: { TASKIO_PORT: String(taskio) },
    worker: {
      WORKER_NAME: "e2e",
      ANTIPHON_WORKER_CLIENT_ID: workers?.client_id ?? "",
      ANTIPHON_WORKER_CLIENT_SECRET: workers?.client_secret ?? "",
    },
    gateway: {
      API_PORT: String(gateway),
      ANTIPHON_TASKS_CLIENT_ID: tasks?.client_id ?? "",
      ANTIPHON_TASKS_CLIENT_SECRET: tasks?.client_secret ?? "",
    },
  };
  const launches = new Map(
    Object.entries(variables).map(([name, own]) => [
      name,
      (): ChildProcess =>
        spawn(process.execPath, [`services/${name}/main.ts`], {
          cwd: root,
          env: environment({ ...common, ...own, ...more }),
          stdio: ["ignore", "pipe", "pipe"],
          detached: true,
        }),
    ]),
  );
  const url = address(gateway);
  const dataDirectory = join(folder.path, "data");
  await mkdir(dataDirectory);
  await writeFile(join(dataDirectory, "server.json"), JSON.stringify({ url, pid: process.pid }));
  await writeFile(join(dataDirectory, "clients.json"), JSON.stringify(clients));
  await chmod(join(dataDirectory, "clients.json"), 0o600);
  return await atWork({ stack, launches, url, dataDirectory, startedLater, onOutput });
}

async function atWork({
  stack,
  launches,
  url,
  dataDirectory,
  startedLater = [],
  onOutput,
}: {
  readonly stack: AsyncDisposableStack;
  readonly launches: ReadonlyMap<string, () => ChildProcess>;
  readonly url: string;
  readonly dataDirectory: string;
  readonly startedLater?: readonly string[] | undefined;
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
}): Promise<Antiphon> {
  const processes = new Map<string, ChildProcess>();
  let said = "";
  const launch = (name: string): void => {
    const child = launches.get(name)?.();
    if (child === undefined) throw new Error(`there is no process ${name}`);
    child.stdout?.on("data", (chunk: Buffer) => onOutput?.(chunk));
    child.stderr?.on("data", (chunk: Buffer) => {
      onOutput?.(chunk);
      said = (said + chunk.toString()).slice(-20_000);
      if (process.env["TEST_LOG_LEVEL"] !== undefined) process.stderr.write(chunk);
    });
    processes.set(name, child);
  };
  const kill = async (name: string, signal: NodeJS.Signals): Promise<void> => {
    const child = processes.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  };
  stack.defer(async () => {
    const names = [...processes.keys()].reverse();
    await Promise.all(names.map(async (name) => await kill(name, "SIGTERM")));
  });
  const answers = async (): Promise<void> => {
    await until(
      "Antiphon answers",
      async () => {
        const dead = [...processes].find(([, child]) => child.exitCode !== null);
        if (dead !== undefined) throw new Error(`${dead[0]} ended with ${dead[1].exitCode}:\n${said}`);
        const response = await fetch(`${url}/health`).catch(() => undefined);
        return response?.ok === true;
      },
      startMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${said}`);
    });
  };
  for (const name of launches.keys()) if (!startedLater.includes(name)) launch(name);
  try {
    await answers();
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
  const clients = JSON.parse(await readFile(join(dataDirectory, "clients.json"), "utf8")) as Credentials[];
  return {
    url,
    dataDirectory,
    clients,
    processes,
    kill,
    async start(name) {
      launch(name);
      await answers();
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("a listening server has no address");
  return address.port;
}
