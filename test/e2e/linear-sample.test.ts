/* Seed 003's linear sample, as its document writes it, on the server that `npm start` starts. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { type Antiphon, root, startAllInOne } from "../support/antiphon-processes.ts";
import { until } from "../support/until.ts";

const sample = {
  name: "linear",
  dag: {
    nodes: [
      { id: "A", handler: "call_external_service", dependencies: [], config: { url: "http://service-a" } },
      { id: "B", handler: "llm", dependencies: ["A"], config: { prompt: "Summarize {{ A.data }}" } },
      {
        id: "C",
        handler: "call_external_service",
        dependencies: ["B"],
        config: { url: "http://consumer/{{ B.answer }}" },
      },
    ],
  },
};

describe("the linear sample", () => {
  let antiphon: Antiphon;

  beforeAll(async () => {
    antiphon = await startAllInOne();
  });
  afterAll(async () => await antiphon[Symbol.asyncDispose]());

  test("lies in examples/linear.json", async () => {
    expect(JSON.parse(await readFile(join(root, "examples/linear.json"), "utf8"))).toEqual(sample);
  });

  test("completes, with outputs that say what was simulated", async () => {
    const scheduler = createClient(SchedulerService, await transport(antiphon));
    const encoded = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const nodes = sample.dag.nodes.map((node) => ({ ...node, config: encoded(node.config) }));
    const { workflow } = await scheduler.createWorkflow({ name: sample.name, dag: { nodes } });
    const { run } = await scheduler.startRun({ workflowId: workflow?.workflowId ?? "" });
    const runId = run?.runId ?? "";
    const ended = await until(
      "the run ends",
      async () => {
        const { run: now } = await scheduler.getRun({ runId });
        return now !== undefined && now.state >= RunState.COMPLETED && now;
      },
      60_000,
    );
    expect(ended.state).toBe(RunState.COMPLETED);
    const outputs = await Promise.all(
      ["A", "B", "C"].map(async (nodeId) => {
        const { task } = await scheduler.getTask({ taskId: `${runId}.${nodeId}` });
        return JSON.parse(new TextDecoder().decode(task?.output)) as Record<string, unknown>;
      }),
    );
    const data = { service: "service-a", method: "GET", path: "/" };
    const answer = `echo: Summarize ${JSON.stringify(data)}`;
    expect(outputs).toMatchObject([
      { status: 200, data, simulated: true },
      { answer, model: "echo", echo: true },
      { url: `http://consumer/${encodeURIComponent(answer)}`, simulated: true },
    ]);
  });
});

async function transport({ url, clients }: Antiphon) {
  const client = clients.find(({ audience }) => audience === "tasks-api");
  const response = await fetch(`${url}/auth/token`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: client?.client_id ?? "",
      client_secret: client?.client_secret ?? "",
    }),
  });
  const { access_token: token } = (await response.json()) as { access_token: string };
  return createConnectTransport({
    baseUrl: url,
    interceptors: [
      (next) => async (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return await next(request);
      },
    ],
  });
}
