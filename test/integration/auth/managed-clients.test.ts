import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Audience, type Client } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import {
  type AuthClient,
  AuthWorld,
  type Credentials,
  firstClient,
  managerAt,
  type Replica,
  refused,
} from "./auth-world.ts";

const worlds = new AsyncDisposableStack();
let world: AuthWorld;
let replica: Replica;
let manager: AuthClient;
let admin: AuthClient;

beforeAll(async () => {
  world = worlds.use(await AuthWorld.open());
  replica = await world.start();
  manager = await managerAt(replica);
  admin = await managerAt(replica, "admin-api");
});
afterAll(() => worlds.disposeAsync());

/** A new client for `tasks-api`. */
async function aClient(
  changes: Partial<{ name: string; description: string; audience: Audience; scopes: string[] }> = {},
): Promise<{ client: Client; credentials: Credentials }> {
  const { client, clientSecret } = await manager.createClient({
    audience: Audience.TASKS_API,
    ...changes,
  });
  if (client === undefined) throw new Error("no client was answered");
  return { client, credentials: { clientId: client.clientId, clientSecret } };
}

describe("a client that is made", () => {
  test("has what it was given, all scopes, a drawn id and a secret that opens it", async () => {
    const { client, credentials } = await aClient({ name: "Notebook", description: "for Bob" });
    expect(client).toMatchObject({
      audience: Audience.TASKS_API,
      name: "Notebook",
      description: "for Bob",
      scopes: ["read", "write", "answer"],
      disabled: false,
    });
    expect(client.uid).toMatch(/^[\da-f-]{36}$/);
    const { accessToken, scopes } = await replica.as().issueToken(credentials);
    expect(scopes).toEqual(["read", "write", "answer"]);
    const me = await replica.as(accessToken).whoAmI({});
    expect(me.client).toMatchObject({ clientId: client.clientId, uid: client.uid });
  });

  test("may have an id and a secret of the manager's choice", async () => {
    const chosen = { clientId: "ci:runner@example.com", clientSecret: "correct horse battery" };
    await manager.createClient({ ...chosen, audience: Audience.WORKERS_API });
    expect(await replica.as().issueToken(chosen)).toMatchObject({ audience: Audience.WORKERS_API });
  });

  test("is found by its id and by its uid", async () => {
    const { client } = await aClient();
    for (const clientId of [client.clientId, client.uid, client.uid.toUpperCase()])
      expect((await manager.getClient({ clientId })).client).toEqual(client);
  });

  test("keeps its secret out of every later answer and out of the database", async () => {
    const { client, credentials } = await aClient();
    const answers = [
      await manager.getClient({ clientId: client.clientId }),
      await manager.listClients({ pageSize: 1_000 }),
      await admin.listAuditEntries({ pageSize: 1_000 }),
      await world.db.query(sql`select to_jsonb(client) as row from auth.client`),
    ];
    const text = JSON.stringify(answers, (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(text).toContain(client.clientId);
    expect(text).not.toContain(credentials.clientSecret);
  });
});

describe("changes", () => {
  test("replace what the mask names and nothing else", async () => {
    const { client } = await aClient({ name: "old", description: "kept" });
    const changed = await manager.updateClient({
      client: { uid: client.uid, name: "new", description: "not taken" },
      updateMask: { paths: ["name"] },
    });
    expect(changed.client).toMatchObject({ clientId: client.clientId, name: "new", description: "kept" });
    expect(changed.client?.updatedAt).not.toEqual(client.updatedAt);
    expect(changed.client?.createdAt).toEqual(client.createdAt);
  });

  test("that disable a client refuse it and its tokens, until it is enabled and gets new ones", async () => {
    const { client, credentials } = await aClient();
    const before = await replica.as().issueToken(credentials);
    const set = (disabled: boolean) =>
      manager.updateClient({
        client: { clientId: client.clientId, disabled },
        updateMask: { paths: ["disabled"] },
      });
    await set(true);
    expect(await replica.refusalOf(before.accessToken)).toBe("TOKEN_REVOKED");
    expect(await refused(replica.as().issueToken(credentials))).toBe("CREDENTIALS_INVALID");
    expect(await refused(replica.as().refreshToken({ refreshToken: before.refreshToken }))).toBe(
      "TOKEN_REVOKED",
    );
    await set(false);
    expect(await replica.refusalOf(before.accessToken)).toBe("TOKEN_REVOKED");
    expect(await refused(replica.as().refreshToken({ refreshToken: before.refreshToken }))).toBe(
      "TOKEN_REVOKED",
    );
    const after = await replica.as().issueToken(credentials);
    expect(await replica.refusalOf(after.accessToken)).toBeUndefined();
  });

  test("that take a scope away take it from tokens too", async () => {
    const { client, credentials } = await aClient();
    const before = await replica.as().issueToken(credentials);
    await manager.updateClient({
      client: { clientId: client.clientId, scopes: ["read"] },
      updateMask: { paths: ["scopes"] },
    });
    expect(await replica.refusalOf(before.accessToken)).toBe("TOKEN_REVOKED");
    const after = await replica.as().refreshToken({ refreshToken: before.refreshToken });
    expect(after.scopes).toEqual(["read"]);
    expect(await replica.refusalOf(after.accessToken)).toBeUndefined();
    expect(await refused(replica.as().issueToken({ ...credentials, scopes: ["write"] }))).toBe(
      "FIELD_INVALID",
    );
  });

  test("of one client at once are all kept", async () => {
    const { client } = await aClient();
    const { clientId } = client;
    await Promise.all([
      manager.updateClient({ client: { clientId, name: "a" }, updateMask: { paths: ["name"] } }),
      manager.updateClient({
        client: { clientId, description: "b" },
        updateMask: { paths: ["description"] },
      }),
      manager.rotateClientSecret({ clientId }),
    ]);
    expect((await manager.getClient({ clientId })).client).toMatchObject({ name: "a", description: "b" });
  });
});

describe("another secret", () => {
  test("is good at once, and the one before for the grace, but none before that", async () => {
    const { client, credentials } = await aClient();
    const { clientId } = client;
    const second = await manager.rotateClientSecret({ clientId });
    const graceHours =
      Number(
        (second.client?.formerSecretExpiresAt?.seconds ?? 0n) - (second.client?.updatedAt?.seconds ?? 0n),
      ) / 3_600;
    expect(graceHours).toBe(24);
    const secrets = [credentials.clientSecret, second.clientSecret];
    for (const clientSecret of secrets) await replica.as().issueToken({ clientId, clientSecret });
    const third = await manager.rotateClientSecret({ clientId });
    expect(await refused(replica.as().issueToken(credentials))).toBe("CREDENTIALS_INVALID");
    for (const clientSecret of [second.clientSecret, third.clientSecret])
      await replica.as().issueToken({ clientId, clientSecret });
  });

  test("is the only good one without a grace, and after it", async () => {
    const { client, credentials } = await aClient();
    const { clientId } = client;
    const second = await manager.rotateClientSecret({ clientId, grace: {} });
    expect(second.client?.formerSecretExpiresAt).toBeUndefined();
    expect(await refused(replica.as().issueToken(credentials))).toBe("CREDENTIALS_INVALID");
    const third = await manager.rotateClientSecret({ clientId, grace: { seconds: 60n } });
    await world.db.query(sql`
      update auth.client set former_secret_expires_at = now() - interval '1 second' where client_id = ${clientId}
    `);
    const former = { clientId, clientSecret: second.clientSecret };
    expect(await refused(replica.as().issueToken(former))).toBe("CREDENTIALS_INVALID");
    await replica.as().issueToken({ clientId, clientSecret: third.clientSecret });
    expect((await manager.getClient({ clientId })).client?.formerSecretExpiresAt).toBeUndefined();
  });

  test("leaves tokens good", async () => {
    const { client, credentials } = await aClient();
    const tokens = await replica.as().issueToken(credentials);
    await manager.rotateClientSecret({ clientId: client.clientId, grace: {} });
    expect(await replica.refusalOf(tokens.accessToken)).toBeUndefined();
    await replica.as().refreshToken({ refreshToken: tokens.refreshToken });
  });
});

describe("a client that is deleted", () => {
  test("is gone with its tokens, and its id is not given out again", async () => {
    const { client, credentials } = await aClient();
    const tokens = await replica.as().issueToken(credentials);
    await manager.deleteClient({ clientId: client.uid });
    expect(await replica.refusalOf(tokens.accessToken)).toBe("TOKEN_REVOKED");
    expect(await refused(replica.as().refreshToken({ refreshToken: tokens.refreshToken }))).toBe(
      "TOKEN_REVOKED",
    );
    expect(await refused(replica.as().issueToken(credentials))).toBe("CREDENTIALS_INVALID");
    const { clientId } = client;
    expect(await refused(manager.getClient({ clientId }))).toBe("CLIENT_NOT_FOUND");
    expect(await refused(manager.deleteClient({ clientId }))).toBe("CLIENT_NOT_FOUND");
    expect(await refused(manager.createClient({ clientId, audience: Audience.TASKS_API }))).toBe(
      "CLIENT_EXISTS",
    );
  });

  test("is back with the next start when the operator presets it", async () => {
    await using elsewhere = await AuthWorld.open();
    const env = { ANTIPHON_TASKS_CLIENT_ID: "preset", ANTIPHON_TASKS_CLIENT_SECRET: "correct horse" };
    const credentials = { clientId: "preset", clientSecret: "correct horse" };
    await using first = await elsewhere.start(env);
    const before = await first.as().issueToken(credentials);
    await (await managerAt(first)).deleteClient({ clientId: "preset" });
    await using second = await elsewhere.start(env);
    const after = await second.as().issueToken(credentials);
    expect(await second.refusalOf(after.accessToken)).toBeUndefined();
    expect(await second.refusalOf(before.accessToken)).toBe("TOKEN_REVOKED");
  });
});

describe("who manages clients", () => {
  test("without being one for admin-api neither sees nor makes nor touches those", async () => {
    const { client } = await admin.createClient({ audience: Audience.ADMIN_API, name: "operator" });
    const clientId = client?.clientId ?? "";
    expect(await refused(manager.createClient({ audience: Audience.ADMIN_API }))).toBe("WRONG_AUDIENCE");
    const calls = [
      manager.getClient({ clientId }),
      manager.getClient({ clientId: client?.uid ?? "" }),
      manager.updateClient({ client: { clientId }, updateMask: { paths: ["name"] } }),
      manager.rotateClientSecret({ clientId }),
      manager.deleteClient({ clientId }),
    ];
    const reasons = new Set(await Promise.all(calls.map(refused)));
    expect(reasons).toEqual(new Set(["CLIENT_NOT_FOUND"]));
    const seen = await manager.listClients({ text: "operator" });
    expect(seen).toMatchObject({ clients: [], total: 0n });
    expect((await manager.listClients({ audiences: [Audience.ADMIN_API] })).total).toBe(0n);
    expect((await admin.listClients({ text: "OPERATOR" })).total).toBe(1n);
  });

  test("can not disable, weaken or delete itself", async () => {
    const { client } = await manager.whoAmI({});
    const clientId = client?.clientId ?? "";
    const calls = [
      manager.deleteClient({ clientId }),
      manager.deleteClient({ clientId: client?.uid ?? "" }),
      manager.updateClient({ client: { clientId, disabled: true }, updateMask: { paths: ["disabled"] } }),
      manager.updateClient({ client: { clientId, scopes: ["read"] }, updateMask: { paths: ["scopes"] } }),
    ];
    expect(new Set(await Promise.all(calls.map(refused)))).toEqual(new Set(["OWN_CLIENT"]));
    const renamed = await manager.updateClient({
      client: { clientId, name: "me" },
      updateMask: { paths: ["name"] },
    });
    expect(renamed.client).toMatchObject({ name: "me", disabled: false });
  });

  test("can not disable each other at once, so that nobody would be left", async () => {
    const makes = async () => await admin.createClient({ audience: Audience.ADMIN_API });
    const [one, other] = await Promise.all([makes(), makes()]);
    const disables = async (by: typeof one, whom: typeof one): Promise<() => Promise<unknown>> => {
      const credentials = { clientId: by.client?.clientId ?? "", clientSecret: by.clientSecret };
      const { accessToken } = await replica.as().issueToken(credentials);
      const clientId = whom.client?.clientId ?? "";
      const change = { client: { clientId, disabled: true }, updateMask: { paths: ["disabled"] } };
      return async () => await refused(replica.as(accessToken).updateClient(change));
    };
    const calls = [await disables(one, other), await disables(other, one)];
    const ids = [one, other].map(({ client }) => client?.clientId ?? "");
    // Both are under way before either may go on.
    const outcomes = await world.db.transaction(async (transaction) => {
      await transaction.query(sql`select from auth.client where client_id = any (${ids}::text[]) for update`);
      const called = calls.map((call) => call());
      await until("both wait", async () => {
        const waiting = await world.db.query(
          sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return waiting.length === 2;
      });
      return { called };
    });
    const told = await Promise.all(outcomes.called);
    expect(new Set(told)).toEqual(new Set(["TOKEN_REVOKED", "nothing: it was answered"]));
  });

  test("is not who has tokens for tasks or workers", async () => {
    for (const audience of ["tasks-api", "workers-api"] as const) {
      const { accessToken } = await replica.as().issueToken(await firstClient(replica, audience));
      expect(await refused(replica.as(accessToken).listClients({}))).toBe("WRONG_AUDIENCE");
    }
  });
});

describe("a list of clients", () => {
  test.each([
    ["client_id", ["p-1", "p-2", "p-3", "p-4", "p-5"]],
    ["client_id desc", ["p-5", "p-4", "p-3", "p-2", "p-1"]],
    ["name", ["p-5", "p-4", "p-3", "p-2", "p-1"]],
    ["description desc", ["p-5", "p-4", "p-3", "p-2", "p-1"]],
    ["", ["p-1", "p-2", "p-3", "p-4", "p-5"]],
  ])("in the order %j goes on from page to page, each once", async (orderBy, expected) => {
    const numbers = [1, 2, 3, 4, 5];
    for (const number of numbers) {
      const client = { clientId: `p-${number}`, name: `paged ${6 - number}`, description: "same" };
      await manager
        .createClient({ ...client, audience: Audience.TASKS_API })
        .catch((error: unknown) => expect(String(error)).toContain("taken"));
    }
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await manager.listClients({ text: "PAGED", pageSize: 2, orderBy, pageToken });
      expect(page.total).toBe(5n);
      listed.push(...page.clients.map(({ clientId }) => clientId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(listed).toEqual(expected);
    const skipped = await manager.listClients({ text: "paged", skip: 3, pageSize: 1, orderBy });
    expect(skipped.clients.map(({ clientId }) => clientId)).toEqual(expected.slice(3, 4));
  });

  test("goes on after a client that was deleted meanwhile", async () => {
    const made = [await aClient({ name: "fleeting" }), await aClient({ name: "fleeting" })];
    const first = await manager.listClients({ text: "fleeting", pageSize: 1 });
    await manager.deleteClient({ clientId: made[0]?.client.clientId ?? "" });
    const second = await manager.listClients({
      text: "fleeting",
      pageSize: 1,
      pageToken: first.nextPageToken,
    });
    expect(second.clients.map(({ clientId }) => clientId)).toEqual([made[1]?.client.clientId]);
  });

  test("takes no page token of another order", async () => {
    const { nextPageToken } = await manager.listClients({ pageSize: 1 });
    const call = manager.listClients({ pageToken: nextPageToken, orderBy: "name" });
    expect(await refused(call)).toBe("PAGE_TOKEN_INVALID");
  });

  test("finds text as it is, not as a pattern", async () => {
    await aClient({ name: "100%_sure" });
    expect((await manager.listClients({ text: "0%_S" })).total).toBe(1n);
    expect((await manager.listClients({ text: "1%sure" })).total).toBe(0n);
  });
});

test("what was done is noted, with who did it, to whom and from where", async () => {
  const { client, credentials } = await aClient();
  const { clientId } = client;
  await replica.as(undefined, "198.51.100.7").issueToken(credentials);
  await refused(replica.as(undefined, "203.0.113.9").issueToken({ clientId, clientSecret: "wrong guess" }));
  await manager.updateClient({ client: { clientId, name: "x" }, updateMask: { paths: ["name"] } });
  await manager.rotateClientSecret({ clientId });
  await manager.updateClient({ client: { clientId, disabled: true }, updateMask: { paths: ["disabled"] } });
  await manager.deleteClient({ clientId });
  const { entries, nextPageToken } = await admin.listAuditEntries({ clientId, pageSize: 3 });
  const rest = await admin.listAuditEntries({ clientId, pageToken: nextPageToken });
  expect(rest.nextPageToken).toBe("");
  const me = (await manager.whoAmI({})).client?.clientId;
  const all = [...entries, ...rest.entries].map((entry) => [
    entry.action,
    entry.clientId === me ? "manager" : entry.clientId,
    entry.targetClientId,
    entry.address,
  ]);
  expect(all).toEqual([
    ["client_deleted", "manager", clientId, "192.0.2.1"],
    ["client_disabled", "manager", clientId, "192.0.2.1"],
    ["secret_rotated", "manager", clientId, "192.0.2.1"],
    ["client_updated", "manager", clientId, "192.0.2.1"],
    ["token_refused", clientId, "", "203.0.113.9"],
    ["token_issued", clientId, "", "198.51.100.7"],
    ["client_created", "manager", clientId, "192.0.2.1"],
  ]);
});
