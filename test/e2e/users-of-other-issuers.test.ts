/*
 * A user whose token a real OpenID provider gave out, on the server that
 * `npm start` starts: what the user makes by one protocol is seen by the others,
 * and by nobody else.
 */
import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { audience, type OidcIssuer, startOidcIssuer } from "../support/oidc-issuer.ts";

let issuer: OidcIssuer;
let antiphon: Antiphon;

beforeAll(async () => {
  issuer = await startOidcIssuer();
  const trusted = { issuer: issuer.url, audience, name: "corp", allow_unregistered: true };
  antiphon = await startAllInOne({ OIDC_ISSUERS: JSON.stringify([trusted]) });
});

afterAll(async () => {
  await antiphon[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

test("a user of another issuer starts a run, follows it to its end, and owns it on every protocol", async () => {
  const alice = await issuer.token();
  const bob = await issuer.signed({ claims: { sub: "bob" } });
  const connect = schedulerOver(
    createConnectTransport({ baseUrl: antiphon.url, httpVersion: "1.1", interceptors: [bearing(alice)] }),
  );
  const grpc = schedulerOver(createGrpcTransport({ baseUrl: antiphon.url, interceptors: [bearing(alice)] }));
  const other = schedulerOver(createGrpcTransport({ baseUrl: antiphon.url, interceptors: [bearing(bob)] }));

  const workflow = { name: "hello", dag: { nodes: [{ id: "A", handler: "noop" }] } };
  const { run } = await connect.startRun({ workflow });
  const runId = run?.runId ?? "";

  let state: RunState = RunState.UNSPECIFIED;
  for await (const { news } of grpc.watchRun({ runs: [{ runId }] })) {
    if (news.case === "snapshot" || news.case === "change") state = news.value.state;
  }
  expect(state).toBe(RunState.COMPLETED);
  const foreign = await other.getRun({ runId }).catch((error: unknown) => error);
  expect(fromConnectError(foreign).reason).toBe("RUN_NOT_FOUND");
  const { runs } = await grpc.listRuns({});
  expect(runs.map((listed) => listed.runId)).toEqual([runId]);
});

test("the routes of the Waldiez runner know such a user, and a forged token in that runner's words", async () => {
  const alice = await issuer.token();
  const listed = await tasksAs(alice);
  expect([listed.status, await listed.json()]).toMatchObject([200, { items: [], total: 0 }]);
  const forged = await tasksAs(`${alice.slice(0, -8)}AAAAAAAA`);
  expect([forged.status, await forged.json()]).toMatchObject([401, { detail: "Invalid credentials." }]);
});

const bearing =
  (token: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };

const schedulerOver = (transport: Transport) => createClient(SchedulerService, transport);

const tasksAs = async (token: string) =>
  await fetch(`${antiphon.url}/api/v1/tasks`, { headers: { authorization: `Bearer ${token}` } });
