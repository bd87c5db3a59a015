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
import { drawSecret, SecretHash } from "./secret-hash.ts";
import { authService } from "./service.ts";

const secretHash = new SecretHash();
const secret = drawSecret();
const alice = {
  clientId: "alice",
  audience: "tasks-api",
  name: "Alice",
  secretHash: await secretHash.of(secret),
} as const;
const expiresAt = new Date("2026-01-01T00:00:00Z");

/** A client of AuthService whose only client is alice, called by `caller`. */
function clientOf(caller: Partial<Caller> = {}) {
  const service = authService({
    clients: { find: async (clientId) => (clientId === "alice" ? alice : undefined) },
    secretHash,
    issue: async ({ clientId }) => ({ token: `token of ${clientId}`, expiresAt }),
  });
  const routed = {
    routes: (router: Parameters<Parameters<typeof localTransport>[0]["routes"]>[0]) =>
      router.service(AuthService, service),
    access: publicAccessOf(AuthService),
    check: async () => undefined,
  } as const;
  return createClient(
    AuthService,
    localTransport(routed, {
      log: pino({ level: "silent" }),
      verify: async () => aCaller(caller),
      token: async () => "token",
    }),
  );
}

async function failureOf(call: Promise<unknown>) {
  return fromConnectError(await call.catch((error: unknown) => error));
}

describe("issueToken", () => {
  test("answers a token for the client's audience", async () => {
    const answer = await clientOf().issueToken({ clientId: "alice", clientSecret: secret });
    expect(answer).toMatchObject({
      accessToken: "token of alice",
      audience: Audience.TASKS_API,
      expiresAt: { seconds: BigInt(expiresAt.getTime() / 1_000) },
    });
  });

  test.each([
    ["a wrong secret that was drawn", "alice", drawSecret()],
    ["a wrong secret that was chosen", "alice", "guess"],
    ["an id that nobody has", "bob", secret],
  ])("refuses %s in the same words", async (_what, clientId, clientSecret) => {
    expect(await failureOf(clientOf().issueToken({ clientId, clientSecret }))).toMatchObject({
      code: Code.Unauthenticated,
      reason: "CREDENTIALS_INVALID",
      message: "no client has this id and secret",
    });
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

describe("whoAmI", () => {
  test("answers whose the token is", async () => {
    const { client } = await clientOf().whoAmI({});
    expect(client).toMatchObject({ clientId: "alice", audience: Audience.TASKS_API, name: "Alice" });
  });

  test("refuses the token of a client that does not exist any more", async () => {
    expect(await failureOf(clientOf({ clientId: "bob" }).whoAmI({}))).toMatchObject({
      reason: "TOKEN_INVALID",
    });
  });

  test("is not for services", async () => {
    expect(await failureOf(clientOf({ audience: "internal" }).whoAmI({}))).toMatchObject({
      reason: "WRONG_AUDIENCE",
    });
  });
});
