/*
 * Measures what a user of the all-in-one server sees, on a data folder of its
 * own with real Postgres (fsync on) and the best broker of the machine:
 *
 *   node bench/figures.ts [--runs 1000]
 *
 * Prints medians. They are figures of this machine at this moment; to compare
 * two states of the code, run both one after the other.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { delay } from "../lib/async/delay.ts";
import { Antiphon } from "../sdk/typescript/antiphon.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "1000" } } });
const runCount = Number(values.runs);
const root = fileURLToPath(new URL("..", import.meta.url));
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const say = (line: string) => process.stdout.write(`${line}\n`);
const shown = (ms: number) => `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;

function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

interface Server extends AsyncDisposable {
  readonly antiphon: Antiphon;
  readonly readyMs: number;
}

/** Starts the server and resolves when it says that it is ready. */
async function start(dataDirectory: string): Promise<Server> {
  const begunAt = performance.now();
  const child: ChildProcess = spawn(process.execPath, ["services/all-in-one/main.ts"], {
    cwd: root,
    env: { ...process.env, ANTIPHON_DATA_DIR: dataDirectory, API_PORT: "0" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  while (!said.includes("ready in")) {
    if (child.exitCode !== null) throw new Error(said);
    await delay(2);
  }
  const readyMs = performance.now() - begunAt;
  const { url } = JSON.parse(await readFile(join(dataDirectory, "server.json"), "utf8")) as { url: string };
  const clients = JSON.parse(await readFile(join(dataDirectory, "clients.json"), "utf8")) as {
    client_id: string;
    client_secret: string;
    audience: string;
  }[];
  const client = clients.find(({ audience }) => audience === "tasks-api");
  const antiphon = new Antiphon({
    url,
    credentials: { clientId: client?.client_id ?? "", clientSecret: client?.client_secret ?? "" },
  });
  return {
    antiphon,
    readyMs,
    async [Symbol.asyncDispose]() {
      antiphon[Symbol.dispose]();
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Stores a workflow of `noop` nodes and answers its id. */
async function workflowOf(
  antiphon: Antiphon,
  name: string,
  dependencies: Readonly<Record<string, string[]>>,
) {
  const nodes = Object.entries(dependencies).map(([id, before]) => ({
    id,
    handler: "noop",
    dependencies: before,
    config: json({}),
  }));
  const { workflow } = await antiphon.scheduler.createWorkflow({ name, dag: { nodes } });
  return workflow?.workflowId ?? "";
}

/** Starts a run and answers how long it took until a change shows what is waited for. */
async function timedRun(
  antiphon: Antiphon,
  workflowId: string,
  isReached: (states: readonly number[]) => boolean,
) {
  const begunAt = performance.now();
  const { run } = await antiphon.scheduler.startRun({ workflowId });
  for await (const event of antiphon.watchRun(run?.runId ?? "")) {
    if (event.kind !== "change" && event.kind !== "snapshot") continue;
    const tasks = event.kind === "change" ? event.change.tasks : event.run.tasks;
    if (isReached(tasks.map(({ state }) => state))) return performance.now() - begunAt;
  }
  return performance.now() - begunAt;
}

/** How long from submitting a program to the first byte that it prints. */
async function firstOutput(antiphon: Antiphon): Promise<number> {
  const content = new TextEncoder().encode('print("first", flush=True)\n');
  const begunAt = performance.now();
  const task = await antiphon.submit({ file: { name: "first.py", content } });
  let ms = Number.NaN;
  for await (const event of task.attach()) {
    if (event.kind === "output" && Number.isNaN(ms)) ms = performance.now() - begunAt;
  }
  return ms;
}

async function repeated(times: number, measure: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let turn = 0; turn < times; turn += 1) samples.push(await measure());
  return samples;
}

const folder = await mkdtemp(join(tmpdir(), "antiphon-bench-"));
try {
  {
    await using first = await start(join(folder, "data"));
    say(`start, new data folder          ${shown(first.readyMs)}`);
  }
  await using server = await start(join(folder, "data"));
  say(`start, existing data folder     ${shown(server.readyMs)}`);
  const { antiphon } = server;

  const outputs = await repeated(10, async () => await firstOutput(antiphon));
  say(
    `submit to first output byte     p50 ${shown(quantile(outputs, 0.5))}, max ${shown(quantile(outputs, 1))}`,
  );

  const single = await workflowOf(antiphon, "single", { A: [] });
  const starts = await repeated(50, async () => await timedRun(antiphon, single, () => false));
  say(
    `start a run of one node to end  p50 ${shown(quantile(starts, 0.5))}, p99 ${shown(quantile(starts, 0.99))}`,
  );

  const names = Array.from({ length: 40 }, (_, index) => `n${index}`);
  const links = names.map((name, index) => [name, index === 0 ? [] : [`n${index - 1}`]] as const);
  const chain = await workflowOf(antiphon, "chain", Object.fromEntries(links));
  const chains = await repeated(10, async () => await timedRun(antiphon, chain, () => false));
  const chainMs = quantile(chains, 0.5);
  say(`chain of 40 no-op nodes         p50 ${shown(chainMs)}, ${shown(chainMs / 40)} a hop`);

  const fan = await workflowOf(antiphon, "fan", { A: [], B: ["A"], C: ["A"], D: ["B", "C"] });
  const begunAt = performance.now();
  await Promise.all(
    Array.from({ length: runCount }, async () => await antiphon.scheduler.startRun({ workflowId: fan })),
  );
  const acceptedMs = performance.now() - begunAt;
  for (;;) {
    const { runs } = await antiphon.scheduler.listRuns({ pageSize: 1, states: [2] });
    if (runs.length === 0) break;
    await delay(5);
  }
  const ms = performance.now() - begunAt;
  say(
    `fan of 4 nodes, ${runCount} runs at once  ${((runCount * 4_000) / ms).toFixed(0)} durable nodes/s (accepted in ${shown(acceptedMs)})`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
