/*
 * What went wrong with the Waldiez runner and does not here, through HTTP as its
 * clients and their attackers do it. The numbers are those of the study of it:
 * 2 is what could be stolen or forged, 3 what got lost or was told wrongly.
 * Deletion of a program by force (3.18) has its test in forced-deletion.test.ts,
 * what is about several processes (2.12, 3.21, 3.23) in waldiez-processes.test.ts,
 * lost messages and dead workers (3.13 to 3.15) theirs in test/chaos/.
 */
import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import {
  type Calls,
  callsWith,
  chatFlow,
  clientFor,
  flowForm,
  tokenOf,
  type WaldiezTask,
} from "../support/waldiez-client.ts";
import { refusedHandshake } from "../support/web-socket-peer.ts";

/** The first flow waits for its environment, which is built from the package index. */
const flowMs = 900_000;

interface Client {
  readonly calls: Calls;
  readonly token: string;
}

let antiphon: Antiphon;
let chat: Buffer;

beforeAll(async () => {
  antiphon = await startAllInOne();
  chat = await chatFlow();
}, 180_000);

afterAll(async () => await antiphon?.[Symbol.asyncDispose]());

async function newClient(): Promise<Client> {
  const manager = await clientFor(antiphon, "clients-api");
  const made = await manager("POST", "/api/v1/clients", "{}");
  const token = await tokenOf(antiphon.url, made.json);
  return { calls: callsWith(antiphon.url, token), token };
}

async function submitted({ calls }: Client, fields: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, json } = await calls("POST", "/api/v1/tasks", flowForm(chat, fields));
  expect({ status, json }).toMatchObject({ status: 200 });
  return json.id as string;
}

async function untilTask(
  { calls }: Client,
  id: string,
  what: string,
  holds: (task: WaldiezTask) => boolean,
): Promise<WaldiezTask> {
  return await until(
    `task ${id} ${what}`,
    async () => {
      const { json } = await calls("GET", `/api/v1/tasks/${id}`);
      return holds(json) && (json as WaldiezTask);
    },
    flowMs,
  );
}

const asking = async (client: Client, id: string): Promise<string> =>
  (await untilTask(client, id, "asks", (task) => task.input_request_id !== null)).input_request_id ?? "";

const isOver = ({ status }: WaldiezTask): boolean => ["COMPLETED", "FAILED", "CANCELLED"].includes(status);

async function answered({ calls }: Client, id: string, question: string, data: string): Promise<number> {
  const body = JSON.stringify({ request_id: question, data });
  return (await calls("POST", `/api/v1/tasks/${id}/input`, body)).status;
}

/** Answers whatever a task asks until it is over. */
async function played(client: Client, id: string, data: string): Promise<WaldiezTask> {
  const known = new Set<string>();
  return await until(
    `task ${id} is over`,
    async () => {
      const task = (await client.calls("GET", `/api/v1/tasks/${id}`)).json as WaldiezTask;
      const question = task.input_request_id;
      if (question !== null && !known.has(question)) {
        known.add(question);
        await answered(client, id, question, data);
      }
      return isOver(task) && task;
    },
    flowMs,
  );
}

describe("what could be stolen or forged", () => {
  test("2.1: nobody opens, reads, answers, cancels or downloads the task of another client", async () => {
    const [owner, stranger] = [await newClient(), await newClient()];
    const id = await submitted(owner);
    const path = `/api/v1/tasks/${id}`;
    const headers = { authorization: `Bearer ${stranger.token}` };
    expect(await refusedHandshake(`${antiphon.url}/ws/${id}`, { headers })).toMatchObject({ status: 403 });
    for (const [method, at] of [
      ["GET", path],
      ["PATCH", path],
      ["POST", `${path}/cancel`],
      ["GET", `${path}/download`],
      ["DELETE", `${path}?force=true`],
    ] as const) {
      const { status, json } = await stranger.calls(method, at, method === "PATCH" ? "{}" : undefined);
      expect({ method, status, json }).toMatchObject({ status: 404, json: { detail: "Task not found" } });
    }
    expect(await answered(stranger, id, "x", "y")).toBe(404);
    expect((await stranger.calls("DELETE", `/api/v1/tasks?force=true&ids=${id}`)).status).toBe(204);
    expect((await owner.calls("GET", path)).status).toBe(200);
    await owner.calls("DELETE", "/api/v1/tasks?force=true");
  });

  test("2.2: a file's name is no path, neither to read by nor to write by", async () => {
    const { calls } = await newClient();
    await writeFile(join(antiphon.dataDirectory, "secret.waldiez"), "{}");
    for (const filename of [
      join(antiphon.dataDirectory, "secret.waldiez"),
      "../secret.waldiez",
      "../../clients.json",
      "..\\secret.waldiez",
      ".waldiez",
    ]) {
      const { status } = await calls("POST", "/api/v1/tasks", new URLSearchParams({ filename }));
      expect({ filename, status }).toEqual({ filename, status: 400 });
    }
    const form = flowForm(chat, { name: "../../../evil.waldiez" });
    expect((await calls("POST", "/api/v1/tasks", form)).json.filename).toBe("evil.waldiez");
    await calls("DELETE", "/api/v1/tasks?force=true");
  });

  test("2.3, 2.4: what runs finds no address, password or key of the server, in no environment and no command line", async () => {
    const { token } = await newClient();
    const source = [
      "import glob, json, os",
      "def text(path):",
      "    try: return open(path, 'rb').read().decode('latin-1')",
      "    except OSError: return ''",
      "seen = [text(path) for path in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ')]",
      "open(os.environ['ANTIPHON_RESULT_FILE'], 'w').write(json.dumps(seen))",
    ].join("\n");
    const scheduler = async (method: string, body: object) => {
      const calls = callsWith(antiphon.url, token);
      return (await calls("POST", `/antiphon.scheduler.v1.SchedulerService/${method}`, JSON.stringify(body)))
        .json;
    };
    const program = { fileName: "look.py", content: Buffer.from(source).toString("base64") };
    const { task } = await scheduler("SubmitTask", { program });
    const ended = await until(
      "it is over",
      async () => {
        const { task: now } = await scheduler("GetTask", { taskId: task.taskId });
        return now.endedAt !== undefined && now;
      },
      120_000,
    );
    expect(ended.state).toBe("TASK_STATE_COMPLETED");
    const seen = Buffer.from(ended.output, "base64").toString();
    expect(seen).toContain("ANTIPHON_SOCKET");
    expect(seen).not.toMatch(/redis|postgres|SECRET|PASSWORD/i);
    for (const { client_secret } of antiphon.clients) expect(seen).not.toContain(client_secret);
  });

  test("2.6: no variable brings another one along", async () => {
    const { calls } = await newClient();
    for (const vars of [
      { A: "b\nPATH=/evil" },
      { A: "b\r\nPATH=/evil" },
      { PATH: "/evil" },
      { LD_PRELOAD: "x" },
    ]) {
      const form = flowForm(chat, { env_vars: JSON.stringify(vars) });
      expect((await calls("POST", "/api/v1/tasks", form)).status).toBe(400);
    }
  });

  test("2.7: a refresh token is no access token", async () => {
    const client = antiphon.clients.find(({ audience }) => audience === "tasks-api");
    const body = new URLSearchParams({
      client_id: client?.client_id ?? "",
      client_secret: client?.client_secret ?? "",
    });
    const { json } = await callsWith(antiphon.url, undefined)("POST", "/auth/token", body);
    expect((await callsWith(antiphon.url, json.access_token)("GET", "/api/v1/tasks")).status).toBe(200);
    expect((await callsWith(antiphon.url, json.refresh_token)("GET", "/api/v1/tasks")).status).toBe(401);
  });

  test("2.8: a client sets no status and no results", async () => {
    const client = await newClient();
    const id = await submitted(client);
    const forged = '{"status":"COMPLETED","results":[{"summary":"all well"}]}';
    const { status, json } = await client.calls("PATCH", `/api/v1/tasks/${id}`, forged);
    expect({ status, json }).toMatchObject({ status: 200, json: { results: null } });
    expect(json.status).not.toBe("COMPLETED");
    await client.calls("DELETE", "/api/v1/tasks?force=true");
  });

  test("2.9: the URL of a file reaches nothing that is not public", async () => {
    const { calls } = await newClient();
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    listener.listen(0, "127.0.0.1");
    await until("it listens", () => listener.listening);
    const { port } = listener.address() as { readonly port: number };
    try {
      for (const host of ["127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"]) {
        const body = new URLSearchParams({ file_url: `https://${host}:${port}/a.waldiez` });
        const { status } = await calls("POST", "/api/v1/tasks", body);
        expect({ host, status }).toEqual({ host, status: 400 });
      }
      const metadata = new URLSearchParams({ file_url: "https://169.254.169.254/latest/meta-data.waldiez" });
      expect((await calls("POST", "/api/v1/tasks", metadata)).status).toBe(400);
      expect(connections).toBe(0);
    } finally {
      listener.close();
    }
  });

  test(
    "2.10: what a task leaves behind holds no key of a model",
    async () => {
      const client = await newClient();
      const flow = JSON.parse(chat.toString());
      const secret = "sk-never-in-an-archive-0123456789";
      flow.data.models = [aModel(secret)];
      const form = flowForm(JSON.stringify(flow), { name: "keys.waldiez" });
      const { json } = await client.calls("POST", "/api/v1/tasks", form);
      const over = await played(client, json.id, "hello");
      expect(over.status).toBe("COMPLETED");
      const { bytes } = await client.calls("GET", `/api/v1/tasks/${json.id}/download`);
      await using folder = await temporaryFolder("archive");
      await writeFile(join(folder.path, "a.zip"), bytes);
      await promisify(execFile)("python3", ["-m", "zipfile", "-e", join(folder.path, "a.zip"), folder.path]);
      const names = await readdir(folder.path, { recursive: true, withFileTypes: true });
      const files = names.filter((entry) => entry.isFile());
      expect(files.length).toBeGreaterThan(1);
      for (const { parentPath, name } of files) {
        expect({ name, holds: (await readFile(join(parentPath, name))).includes(secret) }).toEqual({
          name,
          holds: false,
        });
      }
    },
    flowMs,
  );
});

describe("what got lost or was told wrongly", () => {
  test(
    "3.16, 3.17: a task that is cancelled, before it begins or while it asks, is cancelled and stays so",
    async () => {
      const client = await newClient();
      const waiting = await submitted(client);
      await asking(client, waiting);
      const early = await submitted(client, { name: "early.waldiez" });
      for (const id of [early, waiting]) {
        expect((await client.calls("POST", `/api/v1/tasks/${id}/cancel`)).json.status).toBe("CANCELLED");
        const over = await untilTask(client, id, "is over", ({ results }) => results !== null);
        expect(over).toMatchObject({ status: "CANCELLED", results: { detail: "Task cancelled" } });
      }
      expect((await client.calls("GET", "/api/v1/tasks/count?status=CANCELLED")).json).toEqual({ count: 2 });
    },
    flowMs,
  );

  test(
    "3.20: an answer counts once, and is refused when nobody waits for it",
    async () => {
      const client = await newClient();
      const id = await submitted(client);
      const question = await asking(client, id);
      expect(await answered(client, id, "00000000000000000000000000000000", "x")).toBe(400);
      expect(await answered(client, id, question, "hello")).toBe(204);
      expect(await answered(client, id, question, "again")).toBe(400);
      expect((await played(client, id, "more")).status).toBe("COMPLETED");
      expect(await answered(client, id, question, "late")).toBe(400);
    },
    flowMs,
  );

  test("3.22: limits hold however many submit at once", async () => {
    const [many, same] = [await newClient(), await newClient()];
    const post = async ({ calls }: Client, name: string) =>
      (await calls("POST", "/api/v1/tasks", flowForm(chat, { name }))).status;
    const distinct = Array.from({ length: 12 }, async (_, index) => await post(many, `${index}.waldiez`));
    expect((await Promise.all(distinct)).filter((status) => status === 200)).toHaveLength(5);
    const equal = Array.from({ length: 6 }, async () => await post(same, "same.waldiez"));
    expect((await Promise.all(equal)).filter((status) => status === 200)).toHaveLength(1);
    for (const { calls } of [many, same]) await calls("DELETE", "/api/v1/tasks?force=true");
  });

  test(
    "4.33: a first message is said, and a question waits as long as the query says",
    async () => {
      const client = await newClient();
      const form = flowForm(chat, { message: "said at the start" });
      const { json } = await client.calls("POST", "/api/v1/tasks?input_timeout=1", form);
      const over = await untilTask(client, json.id, "is over without an answer", isOver);
      expect(over).toMatchObject({ status: "COMPLETED", input_timeout: 1 });
      const { bytes } = await client.calls("GET", `/api/v1/tasks/${json.id}/events`);
      expect(bytes.toString()).toContain("said at the start");
    },
    flowMs,
  );

  test(
    "3.19: a server that is killed and started again goes on with everybody's tasks",
    async () => {
      const client = await newClient();
      const id = await submitted(client);
      await asking(client, id);
      await antiphon.kill("all", "SIGKILL");
      await antiphon.start("all");
      expect((await played(client, id, "hello again")).status).toBe("COMPLETED");
    },
    flowMs,
  );
});

// At the end, for everybody who asks for a token from here has to wait for a while then.
test("2.11: who tries many secrets has to wait, whatever address it claims", async () => {
  const tries = Array.from({ length: 300 }, async (_, index) => {
    const body = new URLSearchParams({ client_id: "nobody", client_secret: `guess-${index}` });
    const headers = { "x-forwarded-for": `203.0.113.${index % 250}` };
    return await callsWith(antiphon.url, undefined)("POST", "/auth/token", body, headers);
  });
  const answers = await Promise.all(tries);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(answers.filter(({ status }) => status !== 429 && status !== 401)).toEqual([]);
});

/** A model that no agent of the flow uses. */
function aModel(apiKey: string): object {
  return {
    id: "m1",
    type: "model",
    name: "a-model",
    description: "A model",
    tags: [],
    requirements: [],
    createdAt: "2026-01-15T09:00:00.000Z",
    updatedAt: "2026-01-15T09:00:00.000Z",
    data: {
      baseUrl: "http://127.0.0.1:9/v1",
      apiKey,
      apiType: "openai",
      apiVersion: null,
      temperature: null,
      topP: null,
      maxTokens: null,
      defaultHeaders: {},
      price: { promptPricePer1k: null, completionTokenPricePer1k: null },
    },
  };
}
