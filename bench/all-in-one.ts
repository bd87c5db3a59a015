import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Antiphon } from "../sdk/typescript/antiphon.ts";
import { MeasuredProcess } from "./child-process.ts";
import { until } from "./until.ts";

/** The server that `npm start` starts, with the Postgres and the broker that it brings. */
export class AllInOne implements AsyncDisposable {
  readonly antiphon: Antiphon;
  /** From the start of the process until it said that it is ready, in milliseconds. */
  readonly readyMs: number;
  readonly #process: MeasuredProcess;

  private constructor(process: MeasuredProcess, antiphon: Antiphon, readyMs: number) {
    this.#process = process;
    this.antiphon = antiphon;
    this.readyMs = readyMs;
  }

  static async open(dataDirectory: string): Promise<AllInOne> {
    const begunAt = performance.now();
    const process = new MeasuredProcess("services/all-in-one/main.ts", {
      variables: { ANTIPHON_DATA_DIR: dataDirectory, API_PORT: "0" },
    });
    try {
      await until(
        "the server is ready",
        async () => {
          process.check();
          return process.said.includes("ready in");
        },
        { everyMs: 2 },
      );
      const readyMs = performance.now() - begunAt;
      const { url } = JSON.parse(await readFile(join(dataDirectory, "server.json"), "utf8")) as {
        url: string;
      };
      return new AllInOne(
        process,
        new Antiphon({ url, credentials: await credentialsIn(dataDirectory) }),
        readyMs,
      );
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the process takes of the machine's memory, without its children, in MB. */
  async memoryMb(): Promise<number> {
    const status = await readFile(`/proc/${this.#process.child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024;
  }

  /** From submitting a program to the first byte that it prints, in milliseconds. */
  async firstOutputMs(): Promise<number> {
    const content = new TextEncoder().encode('print("first", flush=True)\n');
    const begunAt = performance.now();
    const task = await this.antiphon.submit({ file: { name: "first.py", content } });
    let ms = Number.NaN;
    for await (const event of task.attach()) {
      if (event.kind === "output" && Number.isNaN(ms)) ms = performance.now() - begunAt;
    }
    return ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.antiphon[Symbol.dispose]();
    await this.#process[Symbol.asyncDispose]();
  }
}

async function credentialsIn(dataDirectory: string) {
  const clients = JSON.parse(await readFile(join(dataDirectory, "clients.json"), "utf8")) as {
    client_id: string;
    client_secret: string;
    audience: string;
  }[];
  const client = clients.find(({ audience }) => audience === "tasks-api");
  return { clientId: client?.client_id ?? "", clientSecret: client?.client_secret ?? "" };
}
