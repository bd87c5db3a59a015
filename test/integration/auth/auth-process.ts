import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

/** An auth that runs as a process of its own; disposing of it ends it. */
export interface AuthProcess extends AsyncDisposable {
  readonly url: string;
  /** Sends SIGTERM and answers the exit status. */
  stop(): Promise<number | null>;
}

/** How an auth that did not start ended. */
export class AuthRefused extends Error {
  override readonly name = "AuthRefused";
}

/** Starts auth and waits until it serves. Rejects with AuthRefused, and all that it printed, when it ends before. */
export async function startAuth(env: Readonly<Record<string, string>>): Promise<AuthProcess> {
  const child = spawn(process.execPath, ["services/auth/main.ts"], {
    env: { PATH: process.env["PATH"], AUTH_PORT: "0", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const port = await portOf(child);
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      return (await ended)[0] as number | null;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  const printed: string[] = [];
  const late = new AbortController();
  void setTimeout(20_000, undefined, { signal: late.signal }).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
  if (child.stderr === null) throw new Error("the process has no standard error");
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      printed.push(line);
      const { msg, port } = logLine(line);
      if (msg === "serving" && port !== undefined) {
        // What it logs from here on must not fill the pipe.
        child.stderr.resume();
        return port;
      }
    }
    throw new AuthRefused(printed.join("\n"));
  } finally {
    late.abort();
  }
}

function logLine(line: string): { readonly msg?: string; readonly port?: number } {
  try {
    return JSON.parse(line) as { msg?: string; port?: number };
  } catch {
    return {};
  }
}
