import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { delay } from "../../lib/async/delay.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A Redis server for tests: empty at the start, nothing on disk. */
export interface TestRedis extends AsyncDisposable {
  /** The path of its unix socket, which ioredis takes as a URL. */
  readonly url: string;
  /** Its process, for tests that kill it. */
  readonly process: ChildProcess;
  /** Kills it and starts it again at the same place, empty. */
  readonly restart: () => Promise<void>;
}

const startMs = 10_000;

/** The program of util-linux that has the kernel end a child with its parent, however that dies. */
const endWithUs = "setpriv";

/** Starts the `redis-server` of the machine on a unix socket in a temporary folder; with a password, which the URL bears then, on a port besides. */
export async function startRedis(door?: {
  readonly port: number;
  readonly password: string;
}): Promise<TestRedis> {
  const folder = await temporaryFolder("redis");
  const socket = join(folder.path, "redis.sock");
  const url = door === undefined ? socket : `redis://:${door.password}@127.0.0.1:${door.port}/0`;
  const options = {
    ...optionsFor(socket, folder.path),
    ...(door !== undefined && {
      port: String(door.port),
      bind: "127.0.0.1",
      requirepass: door.password,
    }),
  };
  let server = await launch(socket, options);
  return {
    url,
    get process() {
      return server;
    },
    async restart() {
      await kill(server);
      server = await launch(socket, options);
    },
    async [Symbol.asyncDispose]() {
      await kill(server);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function launch(socket: string, options: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn(endWithUs, ["--pdeathsig", "KILL", "redis-server", ...words], {
    stdio: "ignore",
    detached: true,
  });
  await untilListening(socket, server);
  return server;
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGKILL");
  await ended;
}

function optionsFor(socket: string, directory: string): Readonly<Record<string, string>> {
  return {
    port: "0",
    unixsocket: socket,
    unixsocketperm: "700",
    dir: directory,
    save: "",
    appendonly: "no",
  };
}

async function untilListening(path: string, server: ChildProcess): Promise<void> {
  const deadlineMs = performance.now() + startMs;
  while (!(await isListening(path))) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
    if (performance.now() > deadlineMs) throw new Error("redis-server does not listen in time");
    await delay(10);
  }
}

async function isListening(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
