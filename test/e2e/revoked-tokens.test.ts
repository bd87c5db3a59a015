/*
 * What is taken back is refused at once everywhere, also on streams that are open,
 * and stays refused while auth is away.
 */
import { createClient, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../gen/antiphon/auth/v1/client_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import { type Antiphon, startAllInOne, startServices } from "../support/antiphon-processes.ts";
import { until } from "../support/until.ts";

const deadlineMs = 30_000;

describe.each([
  ["one process", startAllInOne],
  ["a process per service", startServices],
] as const)("with %s", (_, start) => {
  const stack = new AsyncDisposableStack();
  let antiphon: Antiphon;
  let manager: string;

  beforeAll(async () => {
    antiphon = stack.use(await start());
    manager = await tokenOf(...credentialsFor("clients-api"));
  });
  afterAll(async () => await stack.disposeAsync());

  function credentialsFor(audience: string): [string, string] {
    const client = antiphon.clients.find((one) => one.audience === audience);
    return [client?.client_id ?? "", client?.client_secret ?? ""];
  }

  const bearing = (token?: string): Transport => {
    const transport = networkTransport({
      url: antiphon.url,
      ...(token !== undefined && { token: async () => token }),
    });
    stack.use(transport);
    return transport;
  };

  async function tokenOf(clientId: string, clientSecret: string): Promise<string> {
    const { accessToken } = await createClient(AuthService, bearing()).issueToken({ clientId, clientSecret });
    return accessToken;
  }

  /** A client of its own with a run on hold, which it watches. */
  async function watcher() {
    const made = await createClient(AuthService, bearing(manager)).createClient({
      audience: Audience.TASKS_API,
    });
    const clientId = made.client?.clientId ?? "";
    const token = await tokenOf(clientId, made.clientSecret);
    const transport = bearing(token);
    const scheduler = createClient(SchedulerService, transport);
    const node = { id: "A", handler: "noop" };
    const { run } = await scheduler.startRun({
      workflow: { name: "held", dag: { nodes: [node] } },
      requestId: "held",
      hold: true,
    });
    const runId = run?.runId ?? "";
    const stop = Promise.withResolvers<void>();
    async function* requests() {
      yield { request: { case: "open", value: { taskId: `${runId}.A` } } } as const;
      await stop.promise;
    }
    stack.defer(() => stop.resolve());
    const news = createClient(TaskIOService, transport).attach(requests())[Symbol.asyncIterator]();
    await news.next();
    const ended = (async () => {
      try {
        while ((await news.next()).done !== true);
        return "as if nothing had happened";
      } catch (error) {
        return fromConnectError(error).reason;
      }
    })();
    const whyRefused = async () => {
      try {
        await scheduler.getRun({ runId });
        return undefined;
      } catch (error) {
        return fromConnectError(error).reason;
      }
    };
    return { clientId, clientSecret: made.clientSecret, token, ended, whyRefused };
  }

  test("the tokens and open streams of a client end when it is deleted", async () => {
    const gone = await watcher();
    const other = await watcher();
    expect(await gone.whyRefused()).toBeUndefined();
    await createClient(AuthService, bearing(manager)).deleteClient({ clientId: gone.clientId });
    expect(await gone.ended).toBe("TOKEN_REVOKED");
    await until("calls are refused", async () => (await gone.whyRefused()) === "TOKEN_REVOKED", deadlineMs);
    expect(await other.whyRefused()).toBeUndefined();
    const disabled = {
      client: { clientId: other.clientId, disabled: true },
      updateMask: { paths: ["disabled"] },
    };
    await createClient(AuthService, bearing(manager)).updateClient(disabled);
    expect(await other.ended).toBe("TOKEN_REVOKED");
  });

  test("a single token is taken back without its client's others", async () => {
    const { clientId, clientSecret, token, ended, whyRefused } = await watcher();
    const another = await tokenOf(clientId, clientSecret);
    await createClient(AuthService, bearing()).revokeToken({ clientId, clientSecret, token });
    expect(await ended).toBe("TOKEN_REVOKED");
    await until("calls are refused", async () => (await whyRefused()) === "TOKEN_REVOKED", deadlineMs);
    await createClient(SchedulerService, bearing(another)).listRuns({});
  });

  test("what was taken back stays refused while auth is away, and what was not stays good", async () => {
    const name = antiphon.processes.has("auth") ? "auth" : "all";
    const gone = await watcher();
    const other = await watcher();
    await createClient(AuthService, bearing(manager)).deleteClient({ clientId: gone.clientId });
    await until("calls are refused", async () => (await gone.whyRefused()) === "TOKEN_REVOKED", deadlineMs);
    await antiphon.kill(name, "SIGKILL");
    if (name === "auth") {
      expect(await gone.whyRefused()).toBe("TOKEN_REVOKED");
      expect(await other.whyRefused()).toBeUndefined();
    }
    await antiphon.start(name);
    await until("good tokens are good", async () => (await other.whyRefused()) === undefined, deadlineMs);
    expect(await gone.whyRefused()).toBe("TOKEN_REVOKED");
  });
});
