/*
 * Every public procedure, called with what no caller should send: values out of
 * their bounds, bytes that are no message, headers that are none. Whatever comes,
 * the caller is told why, and the server goes on. Draws are repeatable by seed.
 */
import { randomInt } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { Dice } from "../support/dice.ts";
import { hostileBytes, hostileJson } from "../support/hostile-json.ts";

const seed = Number(process.env["HOSTILE_SEED"] ?? randomInt(2 ** 31));
const callsPerMethod = Number(process.env["HOSTILE_CALLS"] ?? 40);

/** A stream that is opened by chance ends no later. */
const patienceMs = 3_000;

const methods = [AuthService, SchedulerService, TaskIOService, WorkerService].flatMap(
  (service) => service.methods,
);

let antiphon: Antiphon;
let ids: string[];
const tokens = new Map<string, string>();

beforeAll(async () => {
  antiphon = await startAllInOne({
    RATE_LIMIT_LOGINS_PER_SECOND: "0",
    RATE_LIMIT_CLIENT_LOGINS_PER_SECOND: "0",
  });
  for (const { client_id, client_secret, audience } of antiphon.clients) {
    const body = new URLSearchParams({ client_id, client_secret });
    const answer = await fetch(`${antiphon.url}/auth/token`, { method: "POST", body });
    tokens.set(audience, ((await answer.json()) as { access_token: string }).access_token);
  }
  const definition = { name: "known", dag: { nodes: [{ id: "A", handler: "noop" }] } };
  const { workflow } = await well("CreateWorkflow", definition);
  const { run } = await well("StartRun", { workflowName: "known" });
  const schedule = {
    name: "known",
    timing: { cron: "0 0 1 1 *" },
    target: { workflow: { workflowName: "known" } },
  };
  const stored = await well("CreateSchedule", { schedule });
  ids = [workflow.workflowId, run.runId, `${run.runId}.A`, stored.schedule.scheduleId, "A", "known"];
});

afterAll(async () => await antiphon[Symbol.asyncDispose]());

describe(`with seed ${seed}`, () => {
  test.each(methods.map((method) => [`${method.parent.typeName}/${method.name}`, method] as const))(
    "%s refuses what it can not take",
    async (path, method) => {
      const dice = new Dice(seed ^ hashOf(path));
      const broken: string[] = [];
      for (let call = 0; call < callsPerMethod; call += 1) {
        const request = hostileRequest(method, dice);
        const failure = await failureOf(path, method, request);
        if (failure !== undefined) broken.push(`${failure}: ${request.shown.slice(0, 2_000)}`);
      }
      expect(broken).toEqual([]);
    },
  );

  test("the server is as well as before", async () => {
    expect(antiphon.processes.get("all")?.exitCode).toBeNull();
    const health = await fetch(`${antiphon.url}/health`);
    expect([health.status, await health.json()]).toEqual([200, { status: "ok" }]);
    const { run } = await well("StartRun", {
      workflow: { name: "after", dag: { nodes: [{ id: "A", handler: "noop" }] } },
    });
    expect(run.runId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

interface HostileRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly shown: string;
}

function hostileRequest(method: DescMethod, dice: Dice): HostileRequest {
  const isUnary = method.methodKind === "unary";
  const asJson = dice.next() < 0.75;
  const message = asJson
    ? Buffer.from(
        dice.next() < 0.05 ? brokenJson(dice) : JSON.stringify(hostileJson(method.input, dice, ids)),
      )
    : Buffer.from(hostileBytes(dice));
  const kind = asJson ? "json" : "proto";
  const headers: Record<string, string> = {
    "content-type": isUnary ? `application/${kind}` : `application/connect+${kind}`,
    authorization: `Bearer ${tokenFor(method, dice)}`,
  };
  if (dice.next() < 0.05) headers["connect-timeout-ms"] = dice.pick(["-1", "0", "1", "999999999999", "soon"]);
  if (dice.next() < 0.03) headers["connect-protocol-version"] = "7";
  if (dice.next() < 0.03) headers["content-encoding"] = dice.pick(["gzip", "br", "zip"]);
  if (dice.next() < 0.03)
    headers["content-type"] = dice.pick(["text/html", "application/", "application/grpc-web+proto"]);
  const body = isUnary ? new Uint8Array(message) : new Uint8Array(enveloped(message, dice));
  return {
    headers,
    body,
    shown: `${JSON.stringify({ ...headers, authorization: "" })} ${message.toString()}`,
  };
}

/** As Connect frames the messages of a stream; now and then with another length, or more of the same. */
function enveloped(message: Uint8Array, dice: Dice): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(dice.next() < 0.05 ? dice.between(0, 256) : 0);
  head.writeUInt32BE(dice.next() < 0.05 ? dice.between(0, 2 ** 32) : message.length, 1);
  const frame = Buffer.concat([head, message]);
  return dice.next() < 0.2 ? Buffer.concat([frame, frame]) : frame;
}

function brokenJson(dice: Dice): string {
  return dice.pick(["", "{", "[]", "null", '"', "{}{}", "[".repeat(20_000), '{"a":'.repeat(5_000), "\u0000"]);
}

/** Mostly one that is good for the procedure. */
function tokenFor({ parent }: DescMethod, dice: Dice): string {
  if (dice.next() < 0.05) return dice.pick(["", "x", "a.b.c", "é"]).replaceAll(/[^\w.]/g, "");
  if (parent === WorkerService) return tokens.get("workers-api") ?? "";
  if (parent === AuthService) return tokens.get(dice.pick(["clients-api", "admin-api"])) ?? "";
  return tokens.get(dice.pick(["tasks-api", "tasks-api", "admin-api"])) ?? "";
}

/** What is wrong with the answer to a call, if anything is. */
async function failureOf(
  path: string,
  method: DescMethod,
  { headers, body }: HostileRequest,
): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(patienceMs);
    const answer = await fetch(`${antiphon.url}/${path}`, { method: "POST", headers, body, signal });
    const text = await answer.text();
    if (answer.status === 500) return `status 500 ${text}`;
    if (answer.status >= 400 && method.methodKind === "unary" && text === "")
      return `status ${answer.status} without a reason`;
    if (/"code":"(internal|unknown|data_loss)"/.test(text)) return text;
    return undefined;
  } catch (error) {
    // A stream that was opened well has no end.
    if ((error as Error).name === "TimeoutError" && method.methodKind !== "unary") return undefined;
    return String(error);
  }
}

/** Calls the scheduler as one should. */
// oxlint-disable-next-line typescript/no-explicit-any
async function well(method: string, message: object): Promise<any> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${tokens.get("tasks-api")}` };
  const answer = await fetch(`${antiphon.url}/${SchedulerService.typeName}/${method}`, {
    method: "POST",
    headers,
    body: JSON.stringify(message),
  });
  if (!answer.ok) throw new Error(`${method}: ${await answer.text()}`);
  return await answer.json();
}

function hashOf(text: string): number {
  return Buffer.from(text).reduce((hash, byte) => Math.imul(hash, 31) + byte, 7);
}
