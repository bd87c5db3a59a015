/*
 * Tasks as they are watched and answered by WebSocket and by server-sent events,
 * over the front door and with real programs behind it.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Antiphon,
  environment,
  root,
  startAllInOne,
  startServices,
} from "../support/antiphon-processes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { type Frame, refusedHandshake, WebSocketPeer } from "../support/web-socket-peer.ts";

const run = promisify(execFile);

/** The machine may be slow, and programs are started. */
const longMs = 120_000;

const asking = `
name = input("name? ")
print(f"hello, {name}")
color = input("color? ")
print(f"{color} it is")
`;

const half = 2_500;
const chatty = `
for number in range(${half}): print("line", number)
input("go on? ")
for number in range(${half}, ${2 * half}): print("line", number)
`;

const firstLine = "line 0\n";
const lines = Array.from({ length: 2 * half }, (_, number) => `line ${number}\n`);

async function tokenOf(antiphon: Antiphon, audience: string): Promise<string> {
  const client = antiphon.clients.find((one) => one.audience === audience);
  return await tokenFor(antiphon, client?.client_id, client?.client_secret);
}

async function tokenFor(antiphon: Antiphon, clientId = "", clientSecret = ""): Promise<string> {
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret });
  const answer = await fetch(`${antiphon.url}/auth/token`, { method: "POST", body });
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function call(antiphon: Antiphon, token: string, procedure: string, body: object): Promise<unknown> {
  const answer = await fetch(`${antiphon.url}/${procedure}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${procedure}: ${answer.status} ${await answer.text()}`);
  return await answer.json();
}

/** Submits a Python program; answers the task's id. */
async function submit(antiphon: Antiphon, token: string, program: string): Promise<string> {
  const content = Buffer.from(program).toString("base64");
  const submission = { program: { fileName: "live.py", content } };
  const answer = await call(antiphon, token, "antiphon.scheduler.v1.SchedulerService/SubmitTask", submission);
  return (answer as { task: { taskId: string } }).task.taskId;
}

const idsIn = (stream: string) => [...stream.matchAll(/^id: (.+)$/gm)].map(([, id]) => id);

const printsOf = (frames: readonly Frame[]) =>
  frames.filter(({ type }) => type === "print").map(({ data }) => data);

describe("with a process per service", () => {
  let antiphon: Antiphon;
  let token: string;
  let opened: DisposableStack;

  beforeAll(async () => {
    antiphon = await startServices();
    token = await tokenOf(antiphon, "tasks-api");
  });
  afterAll(async () => await antiphon[Symbol.asyncDispose]());
  beforeEach(() => {
    opened = new DisposableStack();
  });
  afterEach(() => opened.dispose());

  test(
    "a client of the Waldiez runner that opens a socket per answer holds its conversation",
    async () => {
      await using folder = await temporaryFolder("websockets");
      const python = join(folder.path, "bin", "python");
      const options = { env: environment({}) };
      await run("python3", ["-m", "venv", folder.path], options);
      await run(python, ["-m", "pip", "install", "--quiet", "websockets==16.1.1"], options);
      const taskId = await submit(antiphon, token, asking);
      const url = `${antiphon.url.replace("http", "ws")}/ws/${taskId}`;
      const client = join(root, "test/support/socket_per_answer.py");
      const { stdout } = await run(python, [client, url, token, "Ada", "green"], {
        ...options,
        timeout: longMs,
      });
      const frames = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Frame);
      const spoken = frames.filter(({ type, data }) => type !== "print" || /hello|it is/.test(String(data)));
      expect(spoken.map(({ type, data }) => (typeof data === "string" ? [type, data] : [type]))).toEqual([
        ["status"],
        ["input_request", "name? "],
        ["input_response", "Ada"],
        ["print", "hello, Ada\n"],
        ["input_request", "color? "],
        ["input_response", "green"],
        ["print", "green it is\n"],
        ["closed"],
        ["refused"],
      ]);
      expect(frames.slice(-2)).toEqual([
        { type: "closed", code: 1000 },
        { type: "refused", status: 403 },
      ]);
    },
    longMs,
  );

  test(
    "every socket hears every line once, though taskio is killed in between",
    async () => {
      const taskId = await submit(antiphon, token, chatty);
      const url = `${antiphon.url}/ws/${taskId}`;
      const peers = [
        new WebSocketPeer(url, { protocols: ["tasks-api", token] }),
        new WebSocketPeer(`${url}?access_token=${token}`),
        new WebSocketPeer(url, { headers: { authorization: `Bearer ${token}` } }),
      ];
      for (const peer of peers) await opened.use(peer).opened();
      await Promise.all(peers.map(async (peer) => await peer.heard(1, "input_request")));
      await antiphon.kill("taskio", "SIGKILL");
      await antiphon.start("taskio");
      const late = await opened.use(new WebSocketPeer(url, { protocols: ["task-api", token] })).opened();
      const [asked] = await late.heard(1, "input_request");
      peers[0]?.send({ request_id: asked?.request_id ?? "", data: "yes" });
      for (const peer of [...peers, late]) {
        expect(await peer.closed).toEqual({ code: 1000, reason: "the task has ended" });
        // A line may come in two frames when its end is late.
        const printed = printsOf(peer.frames).join("");
        expect(printed.slice(printed.indexOf(firstLine))).toBe(lines.join(""));
        const ids = peer.frames.flatMap(({ id }) => (id === undefined ? [] : [id]));
        expect(new Set(ids).size).toBe(ids.length);
      }
    },
    longMs,
  );

  test(
    "a stream of events goes on where it was left, and answers by HTTP",
    async () => {
      const taskId = await submit(antiphon, token, asking);
      const headers = { authorization: `Bearer ${token}` };
      const path = `${antiphon.url}/api/v1/tasks/${taskId}`;
      const hangUp = new AbortController();
      const first = await fetch(`${path}/events`, { headers, signal: hangUp.signal });
      let heard = "";
      const chunks = first.body?.pipeThrough(new TextDecoderStream()).getReader();
      while (!heard.includes("event: prompt\n")) heard += (await chunks?.read())?.value ?? "";
      hangUp.abort();
      const lastEventId = idsIn(heard).at(-1) ?? "";
      const rest = await fetch(`${path}/events`, { headers: { ...headers, "last-event-id": lastEventId } });
      for (const answer of ["Ada", "green"]) {
        const promptId = await until("it asks", async () => {
          const { task } = (await call(antiphon, token, "antiphon.scheduler.v1.SchedulerService/GetTask", {
            taskId,
          })) as { task: { openPrompts?: { promptId: string; text: string }[] } };
          const wanted = answer === "Ada" ? "name? " : "color? ";
          return task.openPrompts?.find(({ text }) => text === wanted)?.promptId;
        });
        await call(antiphon, token, "antiphon.taskio.v1.TaskIOService/SendInput", {
          taskId,
          promptId,
          text: answer,
        });
      }
      const stream = await rest.text();
      expect(idsIn(stream).filter((id) => idsIn(heard).includes(id))).toEqual([]);
      expect(stream).toContain('"text":"hello, Ada\\n"');
      expect(stream).toMatch(/id: end\nevent: end\ndata: \{"state":"completed"\}\n\n$/);
      const over = await fetch(`${path}/events`, { headers: { ...headers, "last-event-id": "end" } });
      expect(over.status).toBe(204);
    },
    longMs,
  );

  test("another client's task is none, for a socket and for a stream of events", async () => {
    const taskId = await submit(antiphon, token, asking);
    const created = (await call(
      antiphon,
      await tokenOf(antiphon, "clients-api"),
      "antiphon.auth.v1.AuthService/CreateClient",
      { name: "another", audience: "AUDIENCE_TASKS_API" },
    )) as { client: { clientId: string }; clientSecret: string };
    const other = await tokenFor(antiphon, created.client.clientId, created.clientSecret);
    const headers = { authorization: `Bearer ${other}` };
    const refused = await refusedHandshake(`${antiphon.url}/ws/${taskId}`, { headers });
    expect(refused).toMatchObject({ status: 403, body: { reason: "TASK_NOT_FOUND" } });
    const events = await fetch(`${antiphon.url}/api/v1/tasks/${taskId}/events`, { headers });
    expect([events.status, await events.json()]).toMatchObject([404, { reason: "TASK_NOT_FOUND" }]);
    await call(antiphon, token, "antiphon.scheduler.v1.SchedulerService/CancelTask", { taskId });
  });
});

test(
  "in one process a browser's page answers over the socket that it watches, and hears the end of a cancelled task",
  async () => {
    await using antiphon = await startAllInOne();
    const token = await tokenOf(antiphon, "tasks-api");
    const taskId = await submit(antiphon, token, asking);
    using peer = new WebSocketPeer(`${antiphon.url}/ws/${taskId}/`, {
      protocols: ["tasks-api", token],
      headers: { origin: antiphon.url },
    });
    await peer.opened();
    expect(peer.socket.protocol).toBe("tasks-api");
    const [asked] = await peer.heard(1, "input_request");
    peer.send({ request_id: asked?.request_id, data: "Ada" });
    await peer.heard(2, "input_request");
    peer.send({ request_id: asked?.request_id, data: "late" });
    await until("the refusal is told", () => peer.frames.find(({ reason }) => reason === "PROMPT_CLOSED"));
    await call(antiphon, token, "antiphon.scheduler.v1.SchedulerService/CancelTask", { taskId });
    expect(await peer.closed).toMatchObject({ code: 1000 });
  },
  longMs,
);
