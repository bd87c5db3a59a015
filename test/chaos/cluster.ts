/*
 * Two scheduler replicas, two workers, taskio and auth as processes of their own,
 * on a Postgres and a Redis that a test may end too.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { delay } from "../../lib/async/delay.ts";
import { RedisBroker } from "../../lib/broker/redis-broker.ts";
import { askRedis } from "../../lib/broker/redis-inline.ts";
import { Database } from "../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { migrateServices } from "../../lib/postgres/migrate.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { clientCredentials } from "../../lib/rpc/client-credentials.ts";
import { environment, freePort, root } from "../support/antiphon-processes.ts";
import { startRedis } from "../support/start-redis.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

/** How long a worker may be silent: the shortest that is allowed. */
export const leaseMs = 10_000;

/** Likewise a replica. */
const replicaLeaseMs = 3_000;

/** How long something may take to come up, or to settle. */
const upMs = 90_000;

/** The replicas and the workers by name; the nth worker calls the nth replica. */
export const replicas = ["scheduler-1", "scheduler-2"] as const;
export const workers = ["worker-1", "worker-2"] as const;

type Name = (typeof replicas)[number] | (typeof workers)[number] | "auth" | "taskio";

/** The whole, at work. Disposing ends and removes all of it. */
export interface Cluster extends AsyncDisposable {
  /** Each replica, as a client of the tasks API calls it. */
  readonly schedulers: readonly Client<typeof SchedulerService>[];
  readonly db: Database;
  readonly broker: RedisBroker;
  /** Ends a process by SIGKILL. */
  readonly kill: (name: Name) => Promise<void>;
  /** Starts one that was killed, and does not wait for it. */
  readonly start: (name: Name) => void;
  /** Stops a process where it stands (SIGSTOP), or lets it go on. */
  readonly stop: (name: Name) => void;
  readonly goOn: (name: Name) => void;
  /** Empties Redis, or kills it and starts it empty. */
  readonly flushRedis: () => Promise<void>;
  readonly restartRedis: () => Promise<void>;
  /** Ends Postgres, by a fast shutdown or by SIGKILL, and starts it again after a while. */
  readonly restartPostgres: (how: "fast" | "kill", awayMs: number) => Promise<void>;
  /** How many partitions each replica owns whose lease holds, the most first. */
  readonly shares: () => Promise<number[]>;
  /** Resolves when both replicas own half of the partitions and both workers are heard. */
  readonly isWhole: () => Promise<void>;
  /** The processes that ended without being killed, with what they said last. */
  readonly brokenDown: () => string[];
}

export async function startCluster(): Promise<Cluster> {
  const stack = new AsyncDisposableStack();
  try {
    return await compose(stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function compose(stack: AsyncDisposableStack): Promise<Cluster> {
  const folder = stack.use(await temporaryFolder("chaos"));
  const dataDirectory = join(folder.path, "pg");
  let postgres = await EmbeddedPostgres.start({ dataDirectory });
  stack.defer(async () => await postgres[Symbol.asyncDispose]());
  // The link that names the folder of the server's socket, which is another after each start.
  const databaseUrl = `postgres://postgres@/antiphon?host=${encodeURIComponent(join(dataDirectory, "socket"))}`;
  const db = stack.use(new Database(databaseUrl));
  await migrateServices(db, join(root, "services"));
  const redis = stack.use(await startRedis());
  const broker = stack.use(await RedisBroker.open({ url: redis.url }));

  const address = async () => `http://127.0.0.1:${await freePort()}`;
  const urls = [await address(), await address()] as const;
  const [authUrl, taskioUrl] = [await address(), await address()];
  const common = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    ANTIPHON_SECRET_KEY: "a-secret-key-that-all-services-share",
    AUTH_URL: authUrl,
    TASKIO_URL: taskioUrl,
    ANTIPHON_TASKS_CLIENT_ID: "chaos-tasks",
    ANTIPHON_TASKS_CLIENT_SECRET: "secret-of-the-tasks-client-0123456789",
    ANTIPHON_WORKER_CLIENT_ID: "chaos-workers",
    ANTIPHON_WORKER_CLIENT_SECRET: "secret-of-the-workers-client-0123456789",
  };
  const portOf = (url: string) => new URL(url).port;
  const scheduler = (url: string) => ({
    SCHEDULER_PORT: portOf(url),
    SCHEDULER_ADDRESS: url,
    STORAGE_DIR: join(folder.path, "storage"),
    LEASE_MS: String(leaseMs),
    HEARTBEAT_MS: "500",
    REPLICA_LEASE_MS: String(replicaLeaseMs),
  });
  const worker = (name: string, url: string) => ({
    WORKER_NAME: name,
    SCHEDULER_URL: url,
    PROGRAM_SLOTS: "2",
  });
  const variables: Readonly<Record<Name, Readonly<Record<string, string>>>> = {
    auth: { AUTH_PORT: portOf(authUrl) },
    "scheduler-1": scheduler(urls[0]),
    "scheduler-2": scheduler(urls[1]),
    taskio: { TASKIO_PORT: portOf(taskioUrl), SCHEDULER_URL: urls[0], TASKIO_SCAN_MS: "2000" },
    "worker-1": worker("worker-1", urls[0]),
    "worker-2": worker("worker-2", urls[1]),
  };

  const processes = new Map<Name, ChildProcess>();
  const said = new Map<Name, string>();
  const start = (name: Name): void => {
    const child = spawn(process.execPath, [`services/${name.replace(/-.*/, "")}/main.ts`], {
      cwd: root,
      env: environment({ ...common, ...variables[name] }),
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      said.set(name, ((said.get(name) ?? "") + chunk.toString()).slice(-4_000));
      if (process.env["TEST_LOG_LEVEL"] !== undefined) process.stderr.write(chunk);
    });
    processes.set(name, child);
  };
  const end = async (name: Name, signal: NodeJS.Signals): Promise<void> => {
    const child = processes.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  };
  stack.defer(async () => {
    await Promise.all([...processes.keys()].map(async (name) => await end(name, "SIGTERM")));
  });
  const shares = async (): Promise<number[]> => {
    const rows = await db.query<{ count: number }>(sql`
      select count(*)::int as count
      from scheduler.partition as p
      join scheduler.replica as r on r.incarnation = p.owner_incarnation
      where r.lease_expires_at > now()
      group by r.incarnation
      order by count desc
    `);
    return rows.map(({ count }) => count);
  };
  const workersHeard = async (): Promise<boolean> => {
    const rows = await db.query(sql`
      select from scheduler.worker
      where worker_id = any (${[...workers]}::text[])
        and last_seen_at > now() - interval '2 seconds'
    `);
    return rows.length === workers.length;
  };

  const authTransport = stack.use(networkTransport({ url: authUrl }));
  const token = clientCredentials({
    transport: authTransport,
    clientId: common.ANTIPHON_TASKS_CLIENT_ID,
    clientSecret: common.ANTIPHON_TASKS_CLIENT_SECRET,
  });
  const schedulers = urls.map((url) =>
    createClient(SchedulerService, stack.use(networkTransport({ url, token }))),
  );
  const cluster: Cluster = {
    schedulers,
    db,
    broker,
    kill: async (name) => await end(name, "SIGKILL"),
    start,
    stop: (name) => processes.get(name)?.kill("SIGSTOP"),
    goOn: (name) => processes.get(name)?.kill("SIGCONT"),
    async flushRedis() {
      await askRedis(redis.url, "FLUSHALL", upMs);
    },
    restartRedis: redis.restart,
    async restartPostgres(how, awayMs) {
      if (how === "kill") {
        const status = await readFile(join(dataDirectory, "cluster", "postmaster.pid"), "utf8");
        process.kill(Number.parseInt(status, 10), "SIGKILL");
        await postgres.ended;
      } else {
        await postgres[Symbol.asyncDispose]();
      }
      await delay(awayMs);
      postgres = await EmbeddedPostgres.start({ dataDirectory });
    },
    shares,
    async isWhole() {
      const isHalved = ([most = 0, least = 0]: readonly number[]) => most === 32 && least === 32;
      const holds = async () => isHalved(await shares()) && (await workersHeard());
      await until(
        "two replicas own half each, and two workers are heard",
        async () => await holds().catch(() => false),
        upMs,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${[...said.values()].join("\n")}`);
      });
    },
    brokenDown: () =>
      [...processes].flatMap(([name, { exitCode }]) =>
        exitCode === null ? [] : `${name} ended with ${exitCode}: ${said.get(name)}`,
      ),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
  start("auth");
  await until("auth gives tokens", async () => (await token().catch(() => "")) !== "", upMs);
  for (const name of ["taskio", ...replicas, ...workers] as const) start(name);
  await cluster.isWhole();
  return cluster;
}
