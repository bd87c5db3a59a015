import { Code, createClient } from "@connectrpc/connect";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../gen/antiphon/auth/v1/client_pb.ts";
import { publicAccessOf } from "../../lib/rpc/access.ts";
import type { Caller } from "../../lib/rpc/authenticate.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import { localTransport } from "../../lib/rpc/local-transport.ts";
import { aCaller } from "../../test/support/a-caller.ts";
import { aStoredClient } from "../../test/support/a-stored-client.ts";
import { credentialsCheck } from "./credentials.ts";
import { clientRpcs } from "./rpc/clients.ts";
import { tokenRpcs } from "./rpc/tokens.ts";
import { SecretAttempts } from "./secret-attempts.ts";
import { drawSecret, SecretHash } from "./secret-hash.ts";

const secretHash = new SecretHash();
const [secret, formerSecret] = [drawSecret(), drawSecret()];
const alice = aStoredClient({
  secretHash: await secretHash.of(secret),
  formerSecretHash: await secretHash.of(formerSecret),
});
const clientsById = new Map(
  [
    alice,
    aStoredClient({ ...alice, clientId: "disabled", isDisabled: true }),
    aStoredClient({ ...alice, clientId: "deleted", isDeleted: true }),
  ].map((client) => [client.clientId, client]),
);
const expiresAt = new Date("2026-01-01T00:00:00Z");
const inSeconds = { seconds: BigInt(expiresAt.getTime() / 1_000) };

/** A client of AuthService, which never comes to change anything, called by `caller`. */
function clientOf(caller: Partial<Caller> = {}) {
  const never = () => Promise.reject(new Error("the request was not refused"));
  const clients = { find: async (clientId: string) => clientsById.get(clientId) };
  const noted: string[] = [];
  const audit = {
    note: async (action: string, { clientId }: { readonly clientId: string }) =>
      void noted.push(`${action} ${clientId}`),
  };
  const service = {
    ...tokenRpcs({
      clients,
      checkCredentials: credentialsCheck({ clients, secretHash, attempts: new SecretAttempts(), audit }),
      tokens: {
        issue: async (clientId, scopes) => ({
          access: { token: `token of ${clientId}`, expiresAt },
          refresh: { token: "antr_", expiresAt },
          audience: "tasks-api",
          scopes: alice.scopes.filter((scope) => scopes.length === 0 || scopes.includes(scope)),
        }),
        refresh: never,
        revoke: never,
        introspect: async () => undefined,
      },
    }),
    ...clientRpcs({
      create: never,
      get: never,
      list: never,
      update: never,
      rotateSecret: never,
      delete: never,
    }),
  };
  const routed = {
    routes: (router: Parameters<Parameters<typeof localTransport>[0]["routes"]>[0]) =>
      router.service(AuthService, service),
    access: publicAccessOf(AuthService),
    check: async () => undefined,
  };
  const transport = localTransport(routed, {
    log: pino({ level: "silent" }),
    verify: async () => aCaller(caller),
    token: async () => "token",
  });
  return { ...createClient(AuthService, transport), noted };
}

async function failureOf(call: Promise<unknown>) {
  return fromConnectError(await call.catch((error: unknown) => error));
}

describe("issueToken", () => {
  test.each([
    ["the secret", secret],
    ["the secret before, within its grace", formerSecret],
  ])("answers tokens for the client's audience for %s", async (_which, clientSecret) => {
    const answer = await clientOf().issueToken({ clientId: "alice", clientSecret, scopes: ["read"] });
    expect(answer).toMatchObject({
      accessToken: "token of alice",
      audience: Audience.TASKS_API,
      expiresAt: inSeconds,
      refreshToken: "antr_",
      refreshExpiresAt: inSeconds,
      scopes: ["read"],
    });
  });

  test.each([
    ["a wrong secret that was drawn", "alice", drawSecret()],
    ["a wrong secret that was chosen", "alice", "guess"],
    ["an id that nobody has", "bob", secret],
    ["a client that is disabled", "disabled", secret],
    ["a client that is deleted", "deleted", secret],
  ])("refuses %s in the same words, and notes it", async (_what, clientId, clientSecret) => {
    const client = clientOf();
    expect(await failureOf(client.issueToken({ clientId, clientSecret }))).toMatchObject({
      code: Code.Unauthenticated,
      reason: "CREDENTIALS_INVALID",
      message: "no client has this id and secret",
    });
    expect(client.noted).toEqual([`token_refused ${clientId}`]);
  });

  test("refuses an id that can not be stored", async () => {
    expect(
      await failureOf(clientOf().issueToken({ clientId: "ali\0ce", clientSecret: secret })),
    ).toMatchObject({ reason: "FIELD_INVALID", faults: [{ path: "client_id" }] });
  });

  test("names every field that is missing or too long", async () => {
    expect(await failureOf(clientOf().issueToken({ clientSecret: "x".repeat(201) }))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "FIELD_INVALID",
      faults: [
        { path: "client_id", message: "is required" },
        { path: "client_secret", message: "has more than 200 characters" },
      ],
    });
  });
});

describe("introspectToken", () => {
  test("says nothing of a token that is not good", async () => {
    const answer = await clientOf().introspectToken({
      clientId: "alice",
      clientSecret: secret,
      token: "x",
    });
    expect(answer).toMatchObject({ active: false, clientId: "", scopes: [] });
  });

  test("needs the credentials of a client", async () => {
    const call = clientOf().introspectToken({ clientId: "alice", clientSecret: "guess", token: "x" });
    expect(await failureOf(call)).toMatchObject({ reason: "CREDENTIALS_INVALID" });
  });
});

describe("whoAmI", () => {
  test("answers whose the token is, and what it may be used for", async () => {
    const answer = await clientOf({ scopes: new Set(["read"]) }).whoAmI({});
    expect(answer).toMatchObject({
      client: { clientId: "alice", uid: alice.uid, audience: Audience.TASKS_API, name: "Alice" },
      scopes: ["read"],
    });
  });

  test("answers for who has no record what stands in the token", async () => {
    const { client } = await clientOf({ clientId: "oidc:idp:42" }).whoAmI({});
    expect(client).toMatchObject({ clientId: "oidc:idp:42", uid: "", audience: Audience.TASKS_API });
  });

  test("refuses the token of a client that was deleted", async () => {
    expect(await failureOf(clientOf({ clientId: "deleted" }).whoAmI({}))).toMatchObject({
      reason: "TOKEN_REVOKED",
    });
  });

  test("is not for services", async () => {
    expect(await failureOf(clientOf({ audience: "internal" }).whoAmI({}))).toMatchObject({
      reason: "WRONG_AUDIENCE",
    });
  });
});

describe("requests about clients", () => {
  const manager = () => clientOf({ audience: "clients-api" });

  test.each([
    [{ clientId: "a b", audience: Audience.TASKS_API }, "client_id"],
    [{ clientId: "x".repeat(201), audience: Audience.TASKS_API }, "client_id"],
    [{ clientSecret: "short", audience: Audience.TASKS_API }, "client_secret"],
    [{}, "audience"],
    [{ audience: 9 as Audience }, "audience"],
    [{ audience: Audience.TASKS_API, scopes: ["read", "fly"] }, "scopes[1]"],
    [{ audience: Audience.TASKS_API, name: "a\0b" }, "name"],
    [{ audience: Audience.TASKS_API, description: "x".repeat(2_001) }, "description"],
  ])("are refused when they would make %j", async (request, path) => {
    const failure = await failureOf(manager().createClient(request));
    expect(failure).toMatchObject({ reason: "FIELD_INVALID", faults: [{ path }] });
  });

  test.each([
    [{ client: { clientId: "a" } }, "update_mask"],
    [{ client: { clientId: "a" }, updateMask: { paths: ["audience"] } }, "update_mask.paths[0]"],
    [{ client: {}, updateMask: { paths: ["name"] } }, "client.client_id"],
    [{ client: { clientId: "a" }, updateMask: { paths: ["scopes"] } }, "client.scopes"],
    [
      { client: { clientId: "a", name: "x".repeat(201) }, updateMask: { paths: ["disabled", "name"] } },
      "client.name",
    ],
  ])("are refused when they would change %j", async (request, path) => {
    const failure = await failureOf(manager().updateClient(request));
    expect(failure).toMatchObject({ reason: "FIELD_INVALID", faults: [{ path }] });
  });

  test.each([
    [{ pageSize: -1 }, "page_size"],
    [{ skip: -1 }, "skip"],
    [{ orderBy: "secret_hash" }, "order_by"],
    [{ orderBy: "name asc desc" }, "order_by"],
    [{ audiences: [Audience.TASKS_API, Audience.UNSPECIFIED] }, "audiences[1]"],
    [{ pageToken: "abc" }, "page_token"],
  ])("are refused when they would list %j", async (request, path) => {
    expect(await failureOf(manager().listClients(request))).toMatchObject({ faults: [{ path }] });
  });

  test.each([
    ["of nobody", { clientId: "" }, "client_id"],
    ["with a grace in the past", { clientId: "a", grace: { seconds: -1n } }, "grace"],
    ["with a grace of 31 days", { clientId: "a", grace: { seconds: 31n * 86_400n } }, "grace"],
  ])("are refused when they would rotate the secret %s", async (_how, request, path) => {
    expect(await failureOf(manager().rotateClientSecret(request))).toMatchObject({ faults: [{ path }] });
  });
});
