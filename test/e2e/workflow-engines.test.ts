/*
 * Clients of the two workflow engines, as they are: the lines of seed 003's
 * document in a shell, and the workflows of both engines' own tests, without a
 * token on the server that `npm start` starts.
 */
import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Antiphon, root, startAllInOne, startServices } from "../support/antiphon-processes.ts";
import { describedBy } from "../support/described-http.ts";
import { until } from "../support/until.ts";

/** How long a run may take on a busy machine. */
const patientlyMs = 120_000;

/** The command that seed 003's document shows, but for the address. */
const documented = `curl -X POST http://localhost:8000/workflow \\
        -H "Content-Type: application/json" \\
        -d @<(cat <<'EOF'
{
  "name": "linear",
  "dag": {"nodes": [
    {"id": "A", "handler": "call_external_service", "dependencies": [], "config": {"url": "http://service-a"}},
    {"id": "B", "handler": "llm", "dependencies": ["A"], "config": {"prompt": "Summarize {{ A.data }}"}},
    {"id": "C", "handler": "call_external_service", "dependencies": ["B"], "config": {"url": "http://consumer/{{ B.answer }}"}}
  ]}
}
EOF
)`;

let antiphon: Antiphon;

beforeAll(async () => {
  antiphon = await startAllInOne();
});
afterAll(async () => await antiphon[Symbol.asyncDispose]());

describe("clients of seed 003", () => {
  test("submit the linear sample by the documented line, trigger it and read its results", async () => {
    const accepted = await shell(documented);
    expect(accepted).toEqual({ execution_id: expect.any(String), message: "Workflow accepted" });
    const id = String(accepted["execution_id"]);
    expect(await statusOf(id)).toBe("PENDING");
    expect(await shell(`curl -X POST http://localhost:8000/workflow/trigger/${id}`)).toEqual({
      message: "Workflow triggered",
      execution_id: id,
    });
    expect(await ended(id)).toBe("COMPLETED");
    const { results } = await shell(`curl http://localhost:8000/workflows/${id}/results`);
    expect(results).toMatchObject({
      A: { data: { service: "service-a" } },
      B: { answer: expect.stringContaining("Summarize") },
      C: { data: { service: "consumer" } },
    });
  });

  test("run the fan-out sample by triggering it once", async () => {
    const id = await submitted({
      name: "fanout",
      dag: {
        nodes: [
          call("A", [], "http://root"),
          call("B", ["A"], "http://branch-b/{{ A.data }}"),
          call("C", ["A"], "http://branch-c/{{ A.data }}"),
          {
            id: "D",
            handler: "llm",
            dependencies: ["B", "C"],
            config: { prompt: "Aggregate {{ B.data }} and {{ C.data }}" },
          },
        ],
      },
    });
    await shell(`curl -X POST http://localhost:8000/workflow/trigger/${id}`);
    expect(await ended(id)).toBe("COMPLETED");
    const { results } = await shell(`curl http://localhost:8000/workflows/${id}/results`);
    expect((results as { D: { answer: string } }).D.answer).toMatch(/branch-b.*branch-c/);
  });

  test("trigger the race sample twice, and each of its nodes is carried out once", async () => {
    const id = await submitted({
      name: "race",
      dag: {
        nodes: [
          { id: "B", handler: "noop", dependencies: [], config: {} },
          { id: "C", handler: "noop", dependencies: [], config: {} },
          {
            id: "D",
            handler: "llm",
            dependencies: ["B", "C"],
            config: { prompt: "B={{ B.status }} C={{ C.status }}" },
          },
        ],
      },
    });
    const trigger = `curl -X POST http://localhost:8000/workflow/trigger/${id}`;
    const triggered = { message: "Workflow triggered", execution_id: id };
    expect(await Promise.all([shell(trigger), shell(trigger)])).toEqual([triggered, triggered]);
    expect(await ended(id)).toBe("COMPLETED");
    expect(await shell(trigger)).toEqual(triggered);
    expect(await statusOf(id)).toBe("COMPLETED");
    const { results } = await shell(`curl http://localhost:8000/workflows/${id}/results`);
    expect(results).toMatchObject({ D: { answer: expect.stringContaining("B=ok C=ok") } });
    const instance = await shell(`curl http://localhost:8000/api/workflows/${id}/results`);
    const nodes = Object.values(instance["results"] as Record<string, { attempt: number }>);
    expect(nodes.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test("are told of a circle, of an unknown handler and of an id that is none", async () => {
    const refused = await post("/workflow", {
      name: "cyclic",
      dag: {
        nodes: [
          { id: "A", handler: "noop", dependencies: ["B"], config: {} },
          { id: "B", handler: "noop", dependencies: ["A"], config: {} },
          { id: "C", handler: "nobody", dependencies: [], config: {} },
        ],
      },
    });
    expect(refused.status).toBe(400);
    const { detail } = (await refused.json()) as { detail: string };
    expect(detail.toLowerCase()).toContain("cycle");
    expect(detail).toContain("UNKNOWN_HANDLER");
    expect((await post("/workflow/trigger/none")).status).toBe(404);
  });
});

describe("clients of seed 004", () => {
  const demo = { name: "demo", dag: { nodes: [{ id: "a", handler: "noop", dependencies: [], config: {} }] } };

  test("register a workflow once, start it as often as they like, and wait for results", async () => {
    const { execution_id: definition } = (await (await post("/api/workflow", demo)).json()) as {
      execution_id: string;
    };
    const [first, second] = await Promise.all([triggered(definition), triggered(definition)]);
    expect(first).not.toBe(second);
    const state = async () => (await read(`/api/workflows/${first}`))["state"];
    await until("the instance completes", async () => (await state()) === "COMPLETED", patientlyMs);
    expect(await read(`/api/workflows/${first}/results`)).toMatchObject({
      instance_id: first,
      status: "COMPLETED",
      results: { a: { status: "COMPLETED", result: {} } },
    });
    const { items } = await read(`/api/workflows?execution_id=${definition}`);
    const ids = (items as { instance_id: string }[]).map(({ instance_id }) => instance_id);
    expect(ids.toSorted()).toEqual([first, second].toSorted());
    expect(await read(`/api/workflow/${definition}`)).toMatchObject({ name: "demo", dag: demo.dag });
  });

  test("get no results of what goes on", async () => {
    const waits = { id: "a", handler: "sleep", dependencies: [], config: { duration: "1h" } };
    const { execution_id: definition } = (await (
      await post("/api/workflow", { name: "waits", dag: { nodes: [waits] } })
    ).json()) as { execution_id: string };
    const answer = await fetch(`${antiphon.url}/api/workflows/${await triggered(definition)}/results`);
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { detail: "Workflow not finished", reason: "NOT_ENDED" },
    ]);
  });
});

describe("a gateway of its own", () => {
  test("carries out what is sent without a token as the client that it is told", async () => {
    await using services = await startServices();
    const demo = { name: "demo", dag: { nodes: [{ id: "a", handler: "noop", config: { x: 1 } }] } };
    const ask = async (path: string, body?: object): Promise<Record<string, unknown>> => {
      const headers = { "content-type": "application/json" };
      const sent = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
      return (await (await fetch(services.url + path, sent)).json()) as Record<string, unknown>;
    };
    const id = String((await ask("/workflow", demo))["execution_id"]);
    await ask(`/workflow/trigger/${id}`, {});
    const status = async () => (await ask(`/workflows/${id}`))["status"];
    await until("the execution completes", async () => (await status()) === "COMPLETED", patientlyMs);
    expect(await ask(`/workflows/${id}/results`)).toEqual({ execution_id: id, results: { a: { x: 1 } } });
  });
});

describe("what is made without a token", () => {
  test("belongs to the client for tasks-api in clients.json, and is not found by others", async () => {
    const id = await submitted({ name: "mine", dag: { nodes: [call("A", [], "http://service-a")] } });
    const status = async (audience: string) => {
      const headers = { authorization: `Bearer ${await tokenFor(audience)}` };
      return (await fetch(`${antiphon.url}/workflows/${id}`, { headers })).status;
    };
    expect(await status("tasks-api")).toBe(200);
    expect(await status("admin-api")).toBe(200);
    expect(await status("clients-api")).toBe(401);
  });

  test("can not be made by a page of another site, nor by a name that was made to lead here", async () => {
    const body = JSON.stringify({ name: "x", dag: { nodes: [call("A", [], "http://service-a")] } });
    const json = { "content-type": "application/json" };
    for (const headers of [
      { ...json, origin: "https://evil.example" },
      { ...json, "sec-fetch-site": "cross-site" },
      { "content-type": "text/plain" },
    ]) {
      const answer = await fetch(`${antiphon.url}/workflow`, { method: "POST", headers, body });
      expect(answer.ok, JSON.stringify(headers)).toBe(false);
    }
    const { port } = new URL(antiphon.url);
    const rebound = await run(
      `curl -sS -o /dev/null -w '%{http_code}' -H 'host: evil.example:${port}' ${antiphon.url}/workflows`,
    );
    expect(rebound).toMatch(/^4/);
  });
});

function call(id: string, dependencies: readonly string[], url: string) {
  return { id, handler: "call_external_service", dependencies, config: { url } };
}

async function submitted(workflow: object): Promise<string> {
  const line = `curl -X POST http://localhost:8000/workflow -H "Content-Type: application/json" -d @<(cat <<'EOF'
${JSON.stringify(workflow, undefined, 2)}
EOF
)`;
  return String((await shell(line))["execution_id"]);
}

async function triggered(definition: string): Promise<string> {
  const answer = await post(`/api/workflow/trigger/${definition}`);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { instance_id: string }).instance_id;
}

async function statusOf(id: string): Promise<unknown> {
  return (await shell(`curl http://localhost:8000/workflows/${id}`))["status"];
}

async function ended(id: string): Promise<unknown> {
  const final = async () => {
    const status = await statusOf(id);
    return (status === "COMPLETED" || status === "FAILED") && status;
  };
  return await until(`execution ${id} ends`, final, patientlyMs);
}

async function post(path: string, body?: object): Promise<Response> {
  return await described(path, {
    method: "POST",
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
}

async function read(path: string): Promise<Record<string, unknown>> {
  return (await (await described(path, { method: "GET" })).json()) as Record<string, unknown>;
}

/** Asks, and holds the answer to what the server describes. */
async function described(path: string, init: RequestInit & { readonly method: string }): Promise<Response> {
  const answer = await fetch(antiphon.url + path, init);
  const { status, headers } = answer;
  const bytes = new Uint8Array(await answer.clone().arrayBuffer());
  const check = await describedBy(antiphon.url);
  check({ method: init.method, path, status, headers, bytes });
  return answer;
}

async function tokenFor(audience: string): Promise<string> {
  const client = antiphon.clients.find((client) => client.audience === audience);
  const answer = await fetch(`${antiphon.url}/auth/token`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: client?.client_id ?? "",
      client_secret: client?.client_secret ?? "",
    }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** Runs a documented line, at this server's port, and reads what it prints. */
async function shell(line: string): Promise<Record<string, unknown>> {
  const { port } = new URL(antiphon.url);
  const printed = await run(line.replaceAll("http://localhost:8000", `http://localhost:${port}`));
  return JSON.parse(printed) as Record<string, unknown>;
}

async function run(line: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    execFile("bash", ["-c", line], { cwd: root }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${line}: ${stderr}`, { cause: error }));
    });
  });
}
