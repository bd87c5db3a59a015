import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/health/v1/health_pb.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { clientCredentials } from "../../../lib/rpc/client-credentials.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { internalToken } from "../../../lib/rpc/internal-token.ts";
import { keySetPath, keysOverHttp } from "../../../lib/rpc/key-set.ts";
import { tokenVerifier } from "../../../lib/rpc/tokens.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import { type AuthProcess, startAuth } from "./auth-process.ts";

const secretKey = "the secret of this installation";
const tasksClient = { clientId: "compose-tasks", clientSecret: "correct horse" };

const processes = new AsyncDisposableStack();
let env: Readonly<Record<string, string>>;
let first: AuthProcess;
let second: AuthProcess;

beforeAll(async () => {
  const database = processes.use(await freshDatabase());
  env = {
    DATABASE_URL: database.url,
    ANTIPHON_SECRET_KEY: secretKey,
    ANTIPHON_TASKS_CLIENT_ID: tasksClient.clientId,
    ANTIPHON_TASKS_CLIENT_SECRET: tasksClient.clientSecret,
  };
  const started = await Promise.all([startAuth(env), startAuth(env)]);
  for (const auth of started) processes.use(auth);
  [first, second] = started;
});
afterAll(() => processes.disposeAsync());

/** The token that an auth issues to the preset client. */
async function tokenFrom({ url }: AuthProcess): Promise<string> {
  using transport = networkTransport({ url });
  return await clientCredentials({ transport, ...tasksClient })();
}

describe("two auth processes that start at once on an empty database", () => {
  test("publish one and the same key", async () => {
    const keys = await Promise.all([first, second].map(({ url }) => keysOverHttp(url)()));
    expect(keys[0]?.keys).toHaveLength(1);
    expect(keys[0]).toEqual(keys[1]);
  });

  test("take each other's tokens", async () => {
    const token = await tokenFrom(first);
    using transport = networkTransport({ url: second.url, token: async () => token });
    const { client } = await createClient(AuthService, transport).whoAmI({});
    expect(client).toMatchObject({ clientId: tasksClient.clientId, audience: Audience.TASKS_API });
  });

  test("issue tokens that any service can check by the published keys, for an hour", async () => {
    const verify = tokenVerifier({ fetchKeys: keysOverHttp(first.url), secretKey });
    const caller = await verify(await tokenFrom(second));
    expect(caller).toMatchObject({ clientId: tasksClient.clientId, audience: "tasks-api" });
    const minutesLeft = (caller.expiresAt.getTime() - Date.now()) / 60_000;
    expect(Math.round(minutesLeft)).toBe(60);
  });
});

describe("what auth publishes", () => {
  test("has no private half", async () => {
    const text = await (await fetch(`${first.url}${keySetPath}`)).text();
    expect(JSON.parse(text)).toMatchObject({ keys: [{ kty: "OKP", crv: "Ed25519" }] });
    expect(text).not.toContain('"d"');
  });

  test("is at no other path, and is not written", async () => {
    const answers = await Promise.all([
      fetch(`${first.url}/.well-known/other`),
      fetch(`${first.url}${keySetPath}`, { method: "PUT" }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  });
});

describe("auth refuses", () => {
  async function failure(token: string | undefined) {
    using transport = networkTransport({ url: first.url });
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const client = createClient(AuthService, transport);
    return fromConnectError(await client.whoAmI({}, { headers }).catch((error: unknown) => error)).reason;
  }

  test("a token that was changed", async () => {
    const [header, claims, signature] = (await tokenFrom(first)).split(".");
    const changed = JSON.parse(Buffer.from(claims ?? "", "base64url").toString()) as object;
    const grab = Buffer.from(JSON.stringify({ ...changed, aud: "admin-api" })).toString("base64url");
    expect(await failure(`${header}.${grab}.${signature}`)).toBe("TOKEN_INVALID");
  });

  test("no token, and the token of a service", async () => {
    expect(await failure(undefined)).toBe("TOKEN_MISSING");
    expect(await failure(await internalToken(secretKey, "taskio")())).toBe("WRONG_AUDIENCE");
    expect(await failure(await internalToken("another secret", "taskio")())).toBe("TOKEN_INVALID");
  });

  test("wrong credentials", async () => {
    using transport = networkTransport({ url: first.url });
    const token = clientCredentials({ transport, ...tasksClient, clientSecret: "wrong horse" });
    expect(fromConnectError(await token().catch((error: unknown) => error)).reason).toBe(
      "CREDENTIALS_INVALID",
    );
  });

  test("to start with another secret key, and says why", async () => {
    const start = startAuth({ ...env, ANTIPHON_SECRET_KEY: "another secret of somebody" });
    await expect(start).rejects.toThrow(/ANTIPHON_SECRET_KEY: it is not the secret/);
  });

  test("to start with a configuration that has faults, and names all", async () => {
    const start = startAuth({ AUTH_PORT: "eighty", ANTIPHON_LOCAL_CLIENT_ID: "" });
    await expect(start).rejects.toThrow(
      /AUTH_PORT: (.|\n)*DATABASE_URL: is required(.|\n)*ANTIPHON_SECRET_KEY: is required/,
    );
  });
});

test("no secret is in the database", async () => {
  await using db = new Database(env["DATABASE_URL"] ?? "");
  const rows = await db.query({ text: "select secret_hash from auth.client", values: [] });
  expect(rows).toHaveLength(1);
  expect(JSON.stringify(rows)).not.toContain(tasksClient.clientSecret);
});

test("an auth process ends by itself when it is asked to, although clients are connected", async () => {
  await using auth = await startAuth(env);
  using transport = networkTransport({ url: auth.url });
  await expect(createClient(Health, transport).check({})).resolves.toMatchObject({ status: Status.SERVING });
  expect(await auth.stop()).toBe(0);
});
