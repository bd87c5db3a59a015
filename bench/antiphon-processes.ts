/*
 * Antiphon with every service in a process of its own, and one worker, on the
 * stage's Postgres and Redis.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { Antiphon } from "../sdk/typescript/antiphon.ts";
import { MeasuredProcess } from "./child-process.ts";
import type { Props } from "./stage.ts";
import { until } from "./until.ts";

const secret = "a-secret-of-the-bench-0123456789";

/** The name of the one worker. */
const workerName = "bench";

type Service = "auth" | "scheduler" | "taskio" | "worker" | "gateway";

export interface ProcessesOptions {
  /** Where each process leaves a profile of its CPU when it ends; none when unset. */
  readonly profileFolder: string | undefined;
}

/** The processes of one turn. */
export class AntiphonProcesses implements AsyncDisposable {
  /** Where the gateway is. */
  readonly url: string;
  readonly #processes: ReadonlyMap<Service, MeasuredProcess>;

  private constructor(url: string, processes: ReadonlyMap<Service, MeasuredProcess>) {
    this.url = url;
    this.#processes = processes;
  }

  /** Resolves when all services say that they are well and the worker takes work. */
  static async open(
    { databaseUrl, redisUrl, folder }: Props,
    { profileFolder }: ProcessesOptions,
  ): Promise<AntiphonProcesses> {
    const ports = { auth: 0, scheduler: 0, taskio: 0, gateway: 0 };
    for (const name of ["auth", "scheduler", "taskio", "gateway"] as const) ports[name] = await freePort();
    const common = {
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      ANTIPHON_SECRET_KEY: "a-secret-key-that-all-services-share",
      AUTH_URL: address(ports.auth),
      SCHEDULER_URL: address(ports.scheduler),
      TASKIO_URL: address(ports.taskio),
      LOG_LEVEL: "warn",
    };
    const own: Readonly<Record<Service, Readonly<Record<string, string>>>> = {
      auth: {
        AUTH_PORT: String(ports.auth),
        ANTIPHON_TASKS_CLIENT_ID: "bench-tasks",
        ANTIPHON_TASKS_CLIENT_SECRET: secret,
        ANTIPHON_WORKER_CLIENT_ID: "bench-workers",
        ANTIPHON_WORKER_CLIENT_SECRET: secret,
      },
      scheduler: { SCHEDULER_PORT: String(ports.scheduler), STORAGE_DIR: join(folder, "storage") },
      taskio: { TASKIO_PORT: String(ports.taskio) },
      worker: {
        WORKER_NAME: workerName,
        PROGRAM_SLOTS: "1",
        ANTIPHON_WORKER_CLIENT_ID: "bench-workers",
        ANTIPHON_WORKER_CLIENT_SECRET: secret,
      },
      gateway: { API_PORT: String(ports.gateway) },
    };
    const nodeOptions = profileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`];
    const processes = new Map<Service, MeasuredProcess>();
    for (const name of Object.keys(own) as Service[]) {
      const prof = profileFolder === undefined ? [] : [`--cpu-prof-name=${name}.cpuprofile`];
      processes.set(
        name,
        new MeasuredProcess(`services/${name}/main.ts`, {
          variables: { ...common, ...own[name] },
          nodeOptions: [...nodeOptions, ...prof],
        }),
      );
    }
    const antiphon = new AntiphonProcesses(address(ports.gateway), processes);
    try {
      await antiphon.#untilReady();
    } catch (error) {
      await antiphon[Symbol.asyncDispose]();
      throw error;
    }
    return antiphon;
  }

  /** A client with a connection of its own. */
  client(): Antiphon {
    return new Antiphon({ url: this.url, credentials: { clientId: "bench-tasks", clientSecret: secret } });
  }

  /** Stops the worker where it stands, or lets it go on. */
  signalWorker(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#processes.get("worker")?.child.kill(signal);
  }

  /** Throws when a process has ended. */
  check(): void {
    for (const process of this.#processes.values()) process.check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of [...this.#processes.values()].reverse()) await process[Symbol.asyncDispose]();
  }

  async #untilReady(): Promise<void> {
    await until("Antiphon is well", async () => {
      this.check();
      return (await fetch(`${this.url}/health`).catch(() => undefined))?.ok === true;
    });
    using client = this.client();
    await until("the worker has registered", async () => {
      const { workers } = await client.workers.listWorkers({});
      return workers.some(({ workerId }) => workerId === workerName);
    });
  }
}

const address = (port: number): string => `http://127.0.0.1:${port}`;

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  server.close();
  await once(server, "close");
  if (typeof bound !== "object" || bound === null) throw new Error("a listening server has no address");
  return bound.port;
}
