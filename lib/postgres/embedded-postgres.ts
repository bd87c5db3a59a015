/*
 * A Postgres server of our own, as a child process on a data folder.
 *
 *   E1. The caller sees to it that one process at a time starts it on a folder
 *       (a lock on the data folder). So any server found there was left behind
 *       by a dead process; it is ended before a new one starts.
 *   E2. The cluster appears under its name only when it is complete; a start
 *       that is killed half-way is done again from the beginning.
 *   E3. The child has a process group of its own, so that Ctrl-C reaches this
 *       process first. If this process dies, the kernel asks the child for a
 *       fast shutdown (where `setpriv` is found); else E1 ends it later.
 *   E4. Disposing ends every process of the server, in bounded time.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { delay } from "../async/delay.ts";
import { Database } from "./database.ts";
import { embeddedSettings } from "./embedded-settings.ts";
import { type PostgresBinaries, postgresBinaries, postgresEnvironment } from "./postgres-binaries.ts";
import { endPostgres } from "./postgres-processes.ts";
import { removeSocketFolder, socketFolder } from "./socket-folder.ts";
import { sql } from "./sql.ts";

export interface EmbeddedPostgresOptions {
  /** Where everything of the server lies; made (0700) if missing. Must be on a local file system. */
  readonly dataDirectory: string;
  /** Postgres settings that differ from the usual ones of an embedded server. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** How long a start may take; recovery after a crash replays at most `max_wal_size`. */
const startMs = 120_000;

/** The server's log is put aside at a start when it is larger; one old log is kept. */
const maxLogBytes = 4 * 1024 * 1024;

const databaseName = "antiphon";

export class EmbeddedPostgres implements AsyncDisposable {
  /** The URL of the server's database, for `Database`. */
  readonly url: string;
  /** The version as Postgres writes it, such as `18.4`. */
  readonly version: string;
  /** From the call to a server that takes statements. */
  readonly startedInMs: number;
  /** Resolves when the server's process has ended, asked to or not; the text says how. */
  readonly ended: Promise<string>;
  readonly #dataDirectory: string;

  private constructor(
    dataDirectory: string,
    details: Pick<EmbeddedPostgres, "url" | "version" | "startedInMs" | "ended">,
  ) {
    this.#dataDirectory = dataDirectory;
    this.url = details.url;
    this.version = details.version;
    this.startedInMs = details.startedInMs;
    this.ended = details.ended;
  }

  /**
   * Starts the server, making its cluster the first time, and ends what a killed
   * process left on the folder. Rejects with an error for the user when it can
   * not be run or does not become ready; nothing runs then.
   */
  static async start({ dataDirectory, settings = {} }: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const beganAtMs = performance.now();
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    const directory = await realpath(dataDirectory);
    const cluster = join(directory, "cluster");
    const [binaries] = await Promise.all([
      postgresBinaries(join(directory, "binaries")),
      endPostgres(cluster),
    ]);
    await makeCluster(cluster, binaries);
    // Nobody is on the cluster, so this names a dead process; Postgres would believe it if the number has gone to another.
    await rm(join(cluster, "postmaster.pid"), { force: true });
    const sockets = await socketFolder(join(directory, "socket"));
    const configuration = join(directory, "postgresql.conf");
    await writeFile(configuration, embeddedSettings(sockets, settings));
    const child = await launch(
      directory,
      binaries.command("postgres", ["-D", cluster, "-c", `config_file=${configuration}`]),
    );
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) =>
        resolve(signal === null ? `exit status ${code}` : `signal ${signal}`),
      );
    });
    try {
      await untilReady(cluster, ended);
      const url = `postgres://postgres@/${databaseName}?host=${encodeURIComponent(sockets)}`;
      await makeDatabase(`postgres://postgres@/postgres?host=${encodeURIComponent(sockets)}`);
      const startedInMs = Math.round(performance.now() - beganAtMs);
      return new EmbeddedPostgres(directory, { url, version: binaries.version, startedInMs, ended });
    } catch (error) {
      await end(directory);
      throw new Error(`the embedded Postgres did not start, see ${join(directory, "log")}`, { cause: error });
    }
  }

  /** Ends the server: fast shutdown, harsher after ten seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#dataDirectory);
    await this.ended;
  }
}

async function makeCluster(cluster: string, binaries: PostgresBinaries): Promise<void> {
  const major = binaries.version.split(".")[0];
  const made = await readFile(join(cluster, "PG_VERSION"), "utf8").catch(() => undefined);
  if (made?.trim() === major) return;
  if (made !== undefined) {
    throw new Error(
      `the data in ${cluster} was written by Postgres ${made.trim()} and this is ${major}; dump and restore it`,
    );
  }
  const unfinished = `${cluster}.unfinished`;
  await endPostgres(unfinished);
  await rm(unfinished, { recursive: true, force: true });
  const [file, ...options] = binaries.command("initdb", [
    `--pgdata=${unfinished}`,
    "--username=postgres",
    // Only this user reaches the socket's folder, and there is no other way in.
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
  ]);
  await promisify(execFile)(file, options, { env: postgresEnvironment });
  await rename(unfinished, cluster);
}

async function launch(
  directory: string,
  [file, ...options]: readonly [string, ...string[]],
): Promise<ChildProcess> {
  const path = join(directory, "log");
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size > maxLogBytes) await rename(path, `${path}.old`);
  await using log = await open(path, "a", 0o600);
  return spawn(file, options, {
    cwd: directory,
    env: postgresEnvironment,
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
}

async function untilReady(cluster: string, ended: Promise<string>): Promise<void> {
  const deadlineMs = performance.now() + startMs;
  const statusLine = 7;
  let how: string | undefined;
  void ended.then((text) => {
    how = text;
  });
  for (;;) {
    if (how !== undefined) throw new Error(`the server ended with ${how}`);
    const lines = (await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
    if (lines[statusLine]?.trim() === "ready") return;
    if (performance.now() > deadlineMs) throw new Error("the server is not ready in time");
    await delay(5);
  }
}

async function makeDatabase(maintenanceUrl: string): Promise<void> {
  await using maintenance = new Database(maintenanceUrl, { maxConnections: 1 });
  const found = await maintenance.query(sql`select 1 from pg_database where datname = ${databaseName}`);
  if (found.length === 0)
    await maintenance.session((session) => session.script(`create database ${databaseName}`));
}

async function end(directory: string): Promise<void> {
  await endPostgres(join(directory, "cluster"));
  await removeSocketFolder(join(directory, "socket"));
}
