/*
 * A Redis of our own, for an embedded server: a child process on a unix socket
 * in a private folder, without a TCP port and without anything on disk, since
 * the broker holds no truth.
 *
 *   S1. Its working directory is `<dataDirectory>/redis`, by which a start that
 *       comes after our own kill -9 knows and ends it. One process at a time
 *       uses a data folder; the caller sees to that.
 *   S2. It has a process group of its own, so a Ctrl-C for us does not end it
 *       before we have stopped using it.
 *   S3. When it ends by itself it is started again on the same socket, until we
 *       are disposed of; whoever is connected only sees a Redis that restarted.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { lstat, mkdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Backoff } from "../async/backoff.ts";
import { delay } from "../async/delay.ts";
import type { Logger } from "../log/log.ts";
import { findRedisServer } from "./find-redis-server.ts";
import { askRedis } from "./redis-inline.ts";
import { endRedisIn } from "./redis-processes.ts";

/** How long a start may take; it is a matter of milliseconds, more only on a machine that hardly runs. */
const startWithinMs = 10_000;

/** How long a server may take to end by itself before it is killed. */
const stopWithinMs = 3_000;

/** The most that unread streams may take of the machine; Redis refuses to write above it. */
const maxMemory = "512mb";

/** The longest folder for the socket, in bytes: a socket's own path must stay below 104. */
const maxFolderBytes = 80;

/** Of what the server prints, as much is kept for an error message. */
const keptOutput = 2_000;

interface Place {
  readonly executable: string;
  readonly directory: string;
  readonly socketFolder: string;
  readonly socketPath: string;
}

interface Running {
  readonly child: ChildProcess;
  /** Resolves to how it ended. */
  readonly exited: Promise<string>;
  readonly version: string;
}

export class RedisServer implements AsyncDisposable {
  /** The address for `RedisBroker.open`. */
  readonly url: string;
  /** The version that the server gives. */
  readonly version: string;
  /** From the call of `start` until the server answered, in milliseconds. */
  readonly startedInMs: number;
  readonly #stopping = new AbortController();
  readonly #kept: Promise<void>;

  private constructor(place: Place, running: Running, startedInMs: number, log: Logger | undefined) {
    this.url = `unix://${place.socketPath}`;
    this.version = running.version;
    this.startedInMs = startedInMs;
    this.#kept = keepRunning(place, running, log, this.#stopping.signal);
  }

  /**
   * Ends what a former process left in this data folder and starts a server.
   * Rejects, with the server's last words, when it does not come up; also when
   * `findRedisServer` finds none.
   */
  static async start({
    dataDirectory,
    log,
  }: {
    readonly dataDirectory: string;
    readonly log?: Logger;
  }): Promise<RedisServer> {
    const begunAt = performance.now();
    const executable = await findRedisServer();
    if (executable === undefined) throw new Error("there is no redis-server and no valkey-server on PATH");
    const place = await preparePlace(dataDirectory, executable);
    const leftover = await endRedisIn(place.directory);
    if (leftover) log?.info({ directory: place.directory }, "ended the redis of a former process");
    const running = await launch(place);
    return new RedisServer(place, running, performance.now() - begunAt, log);
  }

  /** Ends the server within a few seconds and removes its socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#kept;
  }
}

async function preparePlace(dataDirectory: string, executable: string): Promise<Place> {
  await mkdir(join(dataDirectory, "redis"), { recursive: true, mode: 0o700 });
  const directory = await realpath(join(dataDirectory, "redis"));
  const socketFolder = join(folderForSockets(), `antiphon-redis-${digestOf(directory)}`);
  return { executable, directory, socketFolder, socketPath: join(socketFolder, "redis.sock") };
}

/** The path of a socket is bounded to about a hundred bytes, that of a data folder is not. */
function folderForSockets(): string {
  return Buffer.byteLength(tmpdir()) + "/antiphon-redis-".length + 16 <= maxFolderBytes ? tmpdir() : "/tmp";
}

/** One folder for one data folder, so that a start after a kill -9 uses it again. */
function digestOf(directory: string): string {
  return createHash("sha256").update(directory).digest("hex").slice(0, 16);
}

/** In a public place anybody may have made a folder of this name; one that is not ours alone is refused. */
async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const status = await lstat(folder);
  const isPrivate = status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0;
  if (!isPrivate) throw new Error(`${folder} is not a folder of this user alone; remove it`);
}

/** Starts the server and resolves when it answers. */
async function launch({ executable, directory, socketFolder, socketPath }: Place): Promise<Running> {
  await makePrivateFolder(socketFolder);
  const child = spawn(executable, ["-"], { cwd: directory, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  const exited = once(child, "exit").then(
    ([code, signal]: unknown[]) => `exit ${String(code ?? signal)}`,
    (error: unknown) => String(error),
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-keptOutput);
    });
  }
  // A server that cannot be started reads nothing; `exited` tells of it.
  child.stdin.on("error", () => undefined);
  child.stdin.end(configuration(socketPath, directory));

  const over = new AbortController();
  const answered = versionOf(child, socketPath, over.signal).then((version) => ({ version }));
  const outcome = await Promise.race([
    answered,
    exited.then((ending) => ({ ending })),
    delay(startWithinMs, over.signal).then(() => ({ ending: "no answer in time" })),
  ]);
  over.abort();
  if ("version" in outcome) return { child, exited, version: outcome.version };
  await end({ child, exited });
  await rm(socketFolder, { recursive: true, force: true });
  throw new Error(`redis did not start (${outcome.ending}): ${output.trim()}`);
}

function configuration(socketPath: string, directory: string): string {
  return [
    "port 0",
    `unixsocket ${JSON.stringify(socketPath)}`,
    "unixsocketperm 700",
    `dir ${JSON.stringify(directory)}`,
    "daemonize no",
    "databases 1",
    'save ""',
    "appendonly no",
    `maxmemory ${maxMemory}`,
    "maxmemory-policy noeviction",
    "loglevel warning",
    "",
  ].join("\n");
}

/** The version, as soon as this child answers; empty when `signal` aborts before. */
async function versionOf(child: ChildProcess, socketPath: string, signal: AbortSignal): Promise<string> {
  while (!signal.aborted) {
    const info = await askRedis(socketPath, "INFO server", 1_000).catch(() => "");
    const valueOf = (name: string): string | undefined => new RegExp(`^${name}:(.*)\r$`, "m").exec(info)?.[1];
    if (valueOf("process_id") === String(child.pid)) {
      return valueOf("valkey_version") ?? valueOf("redis_version") ?? "";
    }
    await delay(5, signal);
  }
  return "";
}

/** Starts the server again whenever it ends, and ends it when `signal` aborts. */
async function keepRunning(
  place: Place,
  first: Running,
  log: Logger | undefined,
  signal: AbortSignal,
): Promise<void> {
  const stopped = once(signal, "abort");
  let running: Running | undefined = first;
  while (running !== undefined) {
    const ending = await Promise.race([running.exited, stopped]);
    if (signal.aborted) {
      await end(running);
      break;
    }
    log?.warn({ ending }, "redis ended by itself");
    running = await launchAgain(place, log, signal);
  }
  await rm(place.socketFolder, { recursive: true, force: true });
}

/** Tries until the server runs; undefined when `signal` aborts before. */
async function launchAgain(
  place: Place,
  log: Logger | undefined,
  signal: AbortSignal,
): Promise<Running | undefined> {
  const backoff = new Backoff({ firstMs: 50, maxMs: 5_000 });
  for (;;) {
    await backoff.wait(signal);
    if (signal.aborted) return undefined;
    try {
      return await launch(place);
    } catch (err) {
      log?.error({ err }, "redis could not be started again");
    }
  }
}

async function end({ child, exited }: Omit<Running, "version">): Promise<void> {
  const over = new AbortController();
  child.kill("SIGTERM");
  await Promise.race([exited, delay(stopWithinMs, over.signal)]);
  over.abort();
  child.kill("SIGKILL");
  await exited;
}
