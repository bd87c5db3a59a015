/*
 * Every example of docs/workflows.md, run on the server that `npm start` starts:
 * what the page says comes out does. A block of YAML is a workflow, or one that
 * has to be stored first; the blocks of JSON behind it are what it is started
 * with, what it is answered and sent, and what comes of it. `…` stands for any text.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runStateWord, stateWord } from "../../cli/state-word.ts";
import { readWorkflowFile } from "../../cli/workflow-file.ts";
import type { Run as RunRecord } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { Antiphon } from "../../sdk/typescript/antiphon.ts";
import { root, type Antiphon as Server, startAllInOne } from "../support/antiphon-processes.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const page = readFileSync(join(root, "docs/workflows.md"), "utf8");

/** How long a run may take on a busy machine. */
const patientlyMs = 120_000;

interface Block {
  readonly language: string;
  /** What stands behind the language: a file's name, or what the JSON is. */
  readonly mark: string;
  readonly text: string;
}

const blocks: readonly Block[] = [...page.matchAll(/^```(\w+) ?([^\n]*)\n(.*?)^```$/gms)].map(
  ([, language = "", mark = "", text = ""]) => ({ language, mark, text }),
);

/** What may stand behind a workflow. */
const marks = ["input", "refused", "answers", "signals", "outputs", "states"] as const;

type Said = { readonly [mark in (typeof marks)[number]]?: Readonly<Record<string, unknown>> };

interface Example {
  readonly file: string;
  readonly said: Said;
}

const isStored = ({ mark }: Block) => mark.startsWith("stored ");
const fileOf = ({ mark }: Block) => mark.replace("stored ", "");

const examples: readonly Example[] = blocks.flatMap((block, index) => {
  if (block.language !== "yaml" || isStored(block)) return [];
  const behind = blocks.slice(index + 1);
  const next = behind.findIndex(({ language }) => language === "yaml");
  const json = behind.slice(0, next < 0 ? undefined : next).filter(({ language }) => language === "json");
  const said = Object.fromEntries(json.map(({ mark, text }) => [mark, JSON.parse(text) as object])) as Said;
  return [{ file: fileOf(block), said }];
});

const scripts = blocks.filter(({ language }) => language === "sh");

describe("the page about workflows", () => {
  let server: Server;
  let antiphon: Antiphon;
  let folder: TemporaryFolder;

  beforeAll(async () => {
    server = await startAllInOne();
    folder = await temporaryFolder("workflows");
    const { url, clients } = server;
    const client = clients.find(({ audience }) => audience === "tasks-api");
    const credentials = { clientId: client?.client_id ?? "", clientSecret: client?.client_secret ?? "" };
    antiphon = new Antiphon({ url, credentials });
    for (const block of blocks.filter(({ language }) => language === "yaml")) {
      const path = join(folder.path, fileOf(block));
      await writeFile(path, block.text);
      if (isStored(block)) await store(path);
    }
  });
  afterAll(async () => {
    antiphon[Symbol.dispose]();
    await folder[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  async function store(path: string): Promise<void> {
    const { name, dag, inputSchema } = (await readWorkflowFile(path)).definition;
    await antiphon.scheduler.createWorkflow({ name, inputSchema, ...(dag && { dag }) });
  }

  async function start(file: string, input: unknown = {}): Promise<string> {
    const { definition } = await readWorkflowFile(join(folder.path, file));
    const encoded = new TextEncoder().encode(JSON.stringify(input));
    const { run } = await antiphon.scheduler.startRun({ workflow: definition, input: encoded });
    return run?.runId ?? "";
  }

  /** Waits for the end of a run and answers what it asks. */
  async function ended(runId: string, answers: Readonly<Record<string, unknown>>): Promise<RunRecord> {
    return await until(
      `run ${runId} ends`,
      async () => {
        const run = await antiphon.run(runId).get();
        if (run.endedAt !== undefined) return run;
        for (const { taskId, nodeId, openPrompts } of run.tasks) {
          const text = answers[nodeId];
          for (const { promptId } of openPrompts) {
            if (typeof text === "string") await antiphon.taskio.sendInput({ taskId, promptId, text });
          }
        }
        return undefined;
      },
      patientlyMs,
    );
  }

  test("has examples, and nothing behind them that would not be looked at", () => {
    expect(examples.length).toBeGreaterThan(10);
    for (const { language, mark } of blocks) {
      expect(["yaml", "json", "sh"]).toContain(language);
      if (language === "json") expect(marks).toContain(mark);
    }
    for (const { said } of examples) expect(said.outputs).toBeDefined();
  });

  test.each(examples)("$file gives what it says", async ({ file, said }) => {
    const runId = await start(file, said.input);
    for (const [name, payload] of Object.entries(said.signals ?? {}))
      await antiphon.run(runId).signal(name, payload);
    const run = await ended(runId, said.answers ?? {});
    const states: Record<string, string> = { run: runStateWord(run.state) };
    for (const { taskId, nodeId, state } of run.tasks) {
      if (taskId === `${runId}.${nodeId}`) states[nodeId] = stateWord(state);
    }
    expect(states).toMatchObject(said.states ?? { run: "completed" });
    expect(await antiphon.run(runId).results()).toMatchObject(expected(said.outputs) as object);
  });

  test.each(examples.filter(({ said }) => said.refused !== undefined))(
    "$file refuses what it says",
    async ({ file, said }) => {
      await expect(start(file, said.refused)).rejects.toMatchObject({ code: Code.InvalidArgument });
    },
  );

  test.each(scripts)("has commands that work: $text", async ({ text }) => {
    const command = `npx() { shift; ${process.execPath} ${join(root, "cli/antiphon.ts")} "$@"; }\n${text}`;
    const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
      const child = execFile(
        "bash",
        ["-e", "-o", "pipefail", "-c", command],
        {
          cwd: folder.path,
          env: {
            ...process.env,
            ANTIPHON_DATA_DIR: server.dataDirectory,
            ANTIPHON_URL: server.url,
            NO_COLOR: "1",
          },
        },
        (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
      );
      child.stdin?.end();
    });
    expect(output).not.toBe("");
    expect(code, output).toBe(0);
  });
});

/** What is expected, with any text in place of `…`; lists have to have as many items. */
function expected(value: unknown): unknown {
  if (value === "…") return expect.any(String);
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, expected(child)]));
}
