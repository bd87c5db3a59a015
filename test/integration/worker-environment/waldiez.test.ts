import { spawn } from "node:child_process";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EnvironmentCache } from "../../../services/worker/environment/cache.ts";
import { flowEnvironment } from "../../../services/worker/environment/environment-spec.ts";
import { unprivileged } from "../../../services/worker/environment/unprivileged.ts";
import { installShim } from "../../../services/worker/handlers/shim.ts";
import { collectArtifacts, defaultCollectLimits } from "../../../services/worker/sandbox/collect.ts";
import { httpServer } from "../../support/http-server.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

// The cache that a worker on this machine uses, so that the environment is built once for all tests.
const directory = process.getuid?.() === 0 ? "/var/lib/antiphon" : join(homedir(), ".cache", "antiphon");
const fromRoot = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const buildTimeoutMs = 300_000;

const exampleFlow = await readFile(fromRoot("examples/chat.waldiez"), "utf8");

let stack: AsyncDisposableStack;
/** The interpreter with Waldiez, and our Python package. */
let python: string;
let shim: string;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const cache = stack.use(await EnvironmentCache.open({ directory }));
  const environment = stack.use(await cache.acquire(flowEnvironment(JSON.parse(exampleFlow))));
  python = join(environment.mounts.at(-1)?.source ?? "", "bin", "python");
  const folder = stack.use(await temporaryFolder("shim"));
  await chmod(folder.path, 0o755);
  shim = await installShim({ source: fromRoot("sdk/python/src"), directory: folder.path });
}, buildTimeoutMs);
afterAll(async () => await stack.disposeAsync());

interface Said {
  readonly type: string;
  readonly message?: {
    readonly type: string;
    readonly content: { readonly content?: string; readonly sender: string };
  };
  readonly prompt?: string;
  readonly value?: unknown;
}

/** Runs a flow as another uid; `answers` go to its questions in order, and what it left is collected as a worker would. */
async function runFlow({
  flow,
  answers = [],
  message,
  variables = {},
}: {
  readonly flow: string;
  readonly answers?: readonly string[];
  readonly message?: string;
  readonly variables?: Readonly<Record<string, string>>;
}) {
  await using folder = await temporaryFolder("waldiez");
  await chmod(folder.path, 0o755);
  const home = join(folder.path, "box");
  await mkdir(home);
  const { uid, gid } = unprivileged();
  if (uid !== undefined && gid !== undefined) await chown(home, uid, gid);
  const file = join(folder.path, "chat.waldiez");
  await writeFile(file, flow);
  const heard: Said[] = [];
  const left = [...answers];
  const server = createServer((connection) => {
    const about = { type: "start", run_id: "r", task_id: "t", attempt: 1, input: null };
    connection.write(`${JSON.stringify({ ...about, ...(message !== undefined && { message }) })}\n`);
    createInterface({ input: connection }).on("line", (line) => {
      const said = JSON.parse(line);
      heard.push(said);
      if (said.type !== "input_request") return;
      const value = left.shift() ?? null;
      connection.write(
        `${JSON.stringify({ type: "input", prompt_id: said.prompt_id, value, closed: value === null })}\n`,
      );
    });
  });
  const socket = join(folder.path, "s");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await chmod(socket, 0o666);
  try {
    const program = spawn(python, ["-I", "-u", join(shim, "antiphon", "__main__.py"), "waldiez", file], {
      ...unprivileged(),
      cwd: home,
      env: { PATH: "/usr/bin:/bin", HOME: home, ANTIPHON_SOCKET: socket, ...variables },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => program.once("close", resolve));
    const [stdout, stderr] = await Promise.all([text(program.stdout), text(program.stderr)]);
    expect({ code: await ended, stderr }).toMatchObject({ code: 0 });
    const { artifacts } = await collectArtifacts(home, defaultCollectLimits);
    const files = await Promise.all(
      artifacts.map(async (artifact) => [artifact.path, await text(await artifact.open())] as const),
    );
    return { heard, stdout, files };
  } finally {
    server.close();
  }
}

const questions = (heard: readonly Said[]) =>
  heard.filter(({ type }) => type === "input_request").map(({ prompt }) => prompt?.split(".")[0]);

const texts = (heard: readonly Said[]) =>
  heard.flatMap(({ message }) => (message?.type === "text" ? [message.content] : []));

test("the example flow holds its whole conversation in the sealed environment of real Waldiez, as another uid", async () => {
  const { heard, stdout, files } = await runFlow({
    flow: exampleFlow,
    answers: ["hello there", "and again"],
  });
  // What agents say goes out as messages, and is not printed as well.
  expect(stdout).toContain("Workflow finished");
  expect(stdout).not.toContain("hello there");
  expect(questions(heard)).toEqual(["Enter your message to start the conversation: ", "Replying as user"]);
  expect(texts(heard).map(({ sender }) => sender)).toEqual(["user", "assistant", "user", "assistant"]);
  expect(heard.at(-1)).toMatchObject({ type: "result", value: [{ index: 0, last_speaker: "assistant" }] });
  expect(files.filter(([path]) => path.endsWith("results.json"))).toHaveLength(1);
});

test("a message takes the place of the question for the first one, with every character", async () => {
  const message = 'pä"ß\\n {{ x }} {y} \u{1f600}';
  const { heard } = await runFlow({ flow: exampleFlow, message, answers: ["and again"] });
  expect(questions(heard)).toEqual(["Replying as user"]);
  expect(texts(heard)[0]).toMatchObject({ sender: "user", content: message });
});

test("a message begins the first of several chats, and leaves the second as it is", async () => {
  const flow = JSON.parse(exampleFlow);
  const [chat] = flow.data.chats;
  const own = { type: "string", content: "of the second", context: {}, useCarryover: false };
  const once = { ...chat.data, maxTurns: 1 };
  flow.data.chats = [
    { ...chat, data: { ...once, order: 0 } },
    { ...chat, id: "second", data: { ...once, name: "second", order: 1, message: own } },
  ];
  flow.data.edges.push({ ...flow.data.edges[0], id: "second" });
  const { heard } = await runFlow({ flow: JSON.stringify(flow), message: "of the first" });
  const ofUser = texts(heard).filter(({ sender }) => sender === "user");
  expect(ofUser.map(({ content }) => content?.split("\n")[0])).toEqual(["of the first", "of the second"]);
});

test("a flow takes the key of its model from the environment, and leaves it in no file", async () => {
  await using models = await httpServer((_, response) => {
    const choice = {
      index: 0,
      finish_reason: "stop",
      message: { role: "assistant", content: "from a model" },
    };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        id: "1",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [choice],
        usage,
      }),
    );
  });
  const flow = JSON.parse(exampleFlow);
  const described = { name: "m", description: "m", tags: [], requirements: [] };
  const dates = { createdAt: flow.createdAt, updatedAt: flow.updatedAt };
  const data = { apiType: "openai", apiKey: null, baseUrl: `${models.url}/v1` };
  flow.data.models = [{ id: "model", type: "model", ...described, ...dates, data }];
  const [assistant] = flow.data.agents.assistantAgents;
  assistant.data.modelIds = ["model"];
  assistant.data.agentDefaultAutoReply = null;
  flow.data.chats[0].data.maxTurns = 1;
  const secret = "sk-of-the-submission-0123456789";
  const variables = { OPENAI_API_KEY: secret };
  const { heard, files } = await runFlow({ flow: JSON.stringify(flow), message: "hello", variables });
  expect(texts(heard).at(-1)).toMatchObject({ sender: "assistant", content: "from a model" });
  expect(models.seen[0]?.headers["authorization"]).toBe(`Bearer ${secret}`);
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter(([, content]) => content.includes(secret)).map(([path]) => path)).toEqual([]);
});
