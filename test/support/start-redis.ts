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
}

const startMs = 10_000;

/** Starts the `redis-server` of the machine on a unix socket in a temporary folder. */
export async function startRedis(): Promise<TestRedis> {
  const folder = await temporaryFolder("redis");
  const url = join(folder.path, "redis.sock");
  const options = [
    "--port",
    "0",
    "--unixsocket",
    url,
    "--unixsocketperm",
    "700",
    "--dir",
    folder.path,
    "--save",
    "",
    "--appendonly",
    "no",
  ];
  // setpriv: the server ends with this process, also when that is killed.
  const server = spawn("setpriv", ["--pdeathsig", "KILL", "redis-server", ...options], {
    stdio: "ignore",
    detached: true,
  });
  const ended = once(server, "exit");
  await untilListening(url, server);
  return {
    url,
    process: server,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await ended;
      await folder[Symbol.asyncDispose]();
    },
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
