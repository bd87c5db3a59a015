import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AuthService } from "../../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { oauthRoutes } from "./oauth-routes.ts";

const opened = new AsyncDisposableStack();
const asked: object[] = [];
let local: string;
let published: string;

beforeAll(async () => {
  local = await startWith(undefined);
  published = await startWith("https://antiphon.example.com");
});

beforeEach(() => {
  asked.length = 0;
});

afterAll(() => opened.disposeAsync());

describe("the token endpoint", () => {
  const form = "application/x-www-form-urlencoded";
  const basic = { authorization: `Basic ${btoa("c1:s1")}` };

  test.each([
    ["a form", form, "client_id=c1&client_secret=s1", {}],
    ["a form with the grant", form, "client_id=c1&client_secret=s1&grant_type=client_credentials", {}],
    ["JSON", "application/json", '{"client_id":"c1","client_secret":"s1"}', {}],
    ["HTTP Basic", form, "", basic],
    ["HTTP Basic and the id", form, "client_id=c1", basic],
    ["a form, beside an old token", form, "client_id=c1&client_secret=s1", { authorization: "Bearer old" }],
  ])("issues tokens for credentials in %s", async (_form, contentType, body, headers) => {
    const answer = await post("/auth/token", body, { "content-type": contentType, ...headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({
      access_token: "token-of-c1",
      refresh_token: "next-of-c1",
      token_type: "bearer",
      expires_in: expect.any(Number),
      expires_at: "2100-01-01T00:00:00.000Z",
      refresh_expires_in: expect.any(Number),
      refresh_expires_at: "2101-01-01T00:00:00.000Z",
      audience: "tasks-api",
      scope: "read",
    });
  });

  test("takes credentials that are encoded before they are joined", async () => {
    const authorization = `Basic ${btoa("c%3A1:s%2B1+x")}`;
    await post("/auth/token", "", { "content-type": form, authorization });
    expect(asked).toMatchObject([{ clientId: "c:1", clientSecret: "s+1 x" }]);
  });

  test("asks for the scopes that are wanted", async () => {
    await post("/oauth2/token", "client_id=c1&client_secret=s1&scope=read+answer");
    expect(asked).toMatchObject([{ scopes: ["read", "answer"] }]);
  });

  test("takes a refresh token with the client that it is of, and without", async () => {
    const answer = await post("/auth/token", "grant_type=refresh_token&refresh_token=r1&scope=read", basic);
    expect(await answer.json()).toMatchObject({ access_token: "token-of-c1" });
    await post("/auth/token", "grant_type=refresh_token&refresh_token=r1");
    expect(asked).toMatchObject([
      { refreshToken: "r1", clientId: "c1", clientSecret: "s1", scopes: ["read"] },
      { refreshToken: "r1", clientId: "", clientSecret: "" },
    ]);
  });

  test.each([
    ["client_id=c1&client_secret=wrong", 401, "invalid_client"],
    ["client_id=c1", 400, "invalid_request"],
    ["client_id=c1&client_id=c2&client_secret=s1", 400, "invalid_request"],
    ["client_id=c1&client_secret=s1&grant_type=password", 400, "unsupported_grant_type"],
    ["client_id=c1&client_secret=s1&grant_type=__proto__", 400, "unsupported_grant_type"],
    ["client_id=c1&client_secret=s1&scope=root", 400, "invalid_scope"],
    ["grant_type=refresh_token", 400, "invalid_request"],
    ["grant_type=refresh_token&refresh_token=old", 400, "invalid_grant"],
    [`client_id=c1&client_secret=${"s".repeat(70_000)}`, 413, "invalid_request"],
  ])("refuses %.50s with %i %s", async (body, status, error) => {
    const answer = await post("/auth/token", body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({
      error,
      error_description: expect.any(String),
      detail: expect.any(String),
    });
  });

  test("tells a client of the Waldiez runner that its credentials are wrong in that runner's words", async () => {
    const answer = await post("/auth/token", "client_id=c1&client_secret=wrong");
    expect(await answer.json()).toMatchObject({ detail: "Invalid credentials." });
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="antiphon"');
  });

  test.each([`Basic ${btoa("c1:wrong")}`, "Basic !", `Basic ${btoa("%zz:s1")}`])(
    "asks for Basic credentials again after %s",
    async (authorization) => {
      const answer = await post("/auth/token", "", { authorization });
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
        401,
        'Basic realm="antiphon"',
      ]);
    },
  );

  test("refuses a secret that comes both ways", async () => {
    const answer = await post("/auth/token", "client_secret=s1", basic);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: "invalid_request" }]);
  });

  test("says when auth does not answer", async () => {
    const answer = await post("/auth/token", "client_id=away&client_secret=s1");
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
  });
});

describe("the refresh endpoint", () => {
  test.each([
    ["/auth/token/refresh", "application/json", '{"refresh_token":"r1"}'],
    ["/auth/token/refresh", "application/x-www-form-urlencoded", "refresh_token=r1"],
    ["/auth/refresh", "application/json", '{"refresh_token":"r1","audience":"tasks-api"}'],
    ["/auth/refresh", "application/json", '{"refresh_token":"r1","audience":["admin-api","tasks-api"]}'],
    ["/auth/refresh", "application/json", '{"refresh_token":"r1","audience":null}'],
  ])("%s answers the next tokens for %s %s", async (path, contentType, body) => {
    const answer = await post(path, body, { "content-type": contentType });
    expect([answer.status, await answer.json()]).toMatchObject([200, { refresh_token: "next-of-c1" }]);
  });

  test.each([
    ['{"refresh_token":"old"}', 401, "the token was taken back"],
    ['{"refresh_token":"a.b.c"}', 400, "Invalid token type"],
    ['{"refresh_token":"r1","audience":"clients-api"}', 401, "Invalid credentials."],
    ['{"refresh_token":"r1","audience":["clients-api","admin-api"]}', 401, "Invalid credentials."],
    ['{"refresh_token":"r1","audience":"nobody-api"}', 401, "Invalid credentials."],
    ["{}", 400, "body.refresh_token: is required"],
  ])("refuses %s with %i", async (body, status, detail) => {
    const answer = await post("/auth/refresh", body, { "content-type": "application/json" });
    expect([answer.status, await answer.json()]).toMatchObject([status, { detail }]);
  });

  test("does not use a refresh token up that is for none of the audiences", async () => {
    const body = '{"refresh_token":"r1","audience":["clients-api","admin-api"]}';
    await post("/auth/refresh", body, { "content-type": "application/json" });
    expect(asked).toMatchObject([{ audience: Audience.CLIENTS_API }, { audience: Audience.ADMIN_API }]);
  });
});

describe("the revocation and introspection endpoints", () => {
  test.each(["/auth/revoke", "/oauth2/revoke"])(
    "%s takes a token back, and answers nothing",
    async (path) => {
      const answer = await post(path, "token=t1&token_type_hint=access_token&client_id=c1&client_secret=s1");
      expect([answer.status, await answer.text()]).toEqual([200, ""]);
      expect(asked).toMatchObject([{ token: "t1", clientId: "c1", clientSecret: "s1" }]);
    },
  );

  test.each(["/auth/introspect", "/oauth2/introspect"])(
    "%s tells what is known of a good token",
    async (path) => {
      const answer = await post(path, "token=t1&client_id=c1&client_secret=s1");
      expect(await answer.json()).toEqual({
        active: true,
        client_id: "c1",
        sub: "c1",
        aud: "tasks-api",
        scope: "read",
        token_type: "bearer",
        iat: 1_000,
        exp: 2_000,
      });
    },
  );

  test("nothing is told of a token that is not good", async () => {
    const answer = await post("/auth/introspect", "token=none&client_id=c1&client_secret=s1");
    expect(await answer.json()).toEqual({ active: false });
  });

  test.each(["/auth/revoke", "/auth/introspect"])("%s refuses whoever shows no credentials", async (path) => {
    for (const body of ["token=t1", "token=t1&client_id=c1&client_secret=wrong"]) {
      const answer = await post(path, body);
      expect([answer.status, await answer.json()]).toMatchObject([401, { error: "invalid_client" }]);
    }
  });
});

describe("the metadata", () => {
  const paths = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

  test.each(paths)("%s names endpoints below the URL that a caller on this machine used", async (path) => {
    const url = local.replace("127.0.0.1", "localhost");
    const answer = await fetch(`${url}${path}`);
    expect(await answer.json()).toMatchObject({ issuer: url, token_endpoint: `${url}/auth/token` });
  });

  test.each(paths)("%s names the URL that the operator set, whatever the caller used", async (path) => {
    const answer = await fetch(`${published}${path}`);
    expect(await answer.json()).toMatchObject({
      issuer: "https://antiphon.example.com",
      jwks_uri: "https://antiphon.example.com/.well-known/jwks.json",
    });
  });

  test("is not made up from a name that the caller made up", async () => {
    const asking = get(`${local}/.well-known/oauth-authorization-server`, {
      headers: { host: "evil.example.com" },
    });
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(404);
  });

  test("and tokens name the same issuer", async () => {
    await post("/auth/token", "client_id=c1&client_secret=s1");
    await post("/auth/refresh", "refresh_token=r1");
    expect(asked).toMatchObject([{ issuer: local }, { issuer: local }]);
  });
});

async function post(path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  const all = { "content-type": "application/x-www-form-urlencoded", ...headers };
  return await fetch(`${local}${path}`, { method: "POST", headers: all, body });
}

async function startWith(publicUrl: string | undefined): Promise<string> {
  const auth = createRouterTransport((router) => {
    router.service(AuthService, {
      issueToken: (request, context) => {
        note(request, context);
        return tokensOf(knownClient(request).clientId, request.scopes);
      },
      refreshToken: (request, context) => {
        note(request, context);
        if (request.clientId !== "") knownClient(request);
        if (request.refreshToken !== "r1") refuse("TOKEN_REVOKED", "the token was taken back");
        if (request.audience !== Audience.UNSPECIFIED && request.audience !== Audience.TASKS_API)
          refuse("FIELD_INVALID", "is not that of the client", "audience");
        return tokensOf("c1", request.scopes);
      },
      revokeToken: (request, context) => {
        note(request, context);
        knownClient(request);
        return {};
      },
      introspectToken: (request) => {
        const { clientId } = knownClient(request);
        if (request.token !== "t1") return { active: false };
        const [issuedAt, expiresAt] = [{ seconds: 1_000n }, { seconds: 2_000n }];
        return {
          active: true,
          clientId,
          audience: Audience.TASKS_API,
          scopes: ["read"],
          issuedAt,
          expiresAt,
        };
      },
    });
  });
  const log = logger("gateway", "silent");
  const verify = async () => aCaller();
  const fallback = httpApp({
    routes: oauthRoutes({ fetchKeys: async () => ({ keys: [] }), publicUrl }),
    transports: { auth, scheduler: auth, taskio: auth },
    verify,
    tokenFor: () => undefined,
    log,
  });
  return opened.use(await serve({ host: "127.0.0.1", port: 0, services: [], fallback, verify, log })).url;
}

function note(request: object, { requestHeader }: HandlerContext): void {
  asked.push({ ...request, issuer: requestHeader.get("x-antiphon-issuer") });
}

function knownClient({ clientId, clientSecret }: { clientId: string; clientSecret: string }) {
  if (clientId === "away") refuse("SERVICE_UNAVAILABLE", "auth does not answer");
  if (clientId === "c1" && clientSecret !== "s1") refuse("CREDENTIALS_INVALID", "no such client");
  return { clientId };
}

function tokensOf(clientId: string, scopes: readonly string[]) {
  if (scopes.includes("root")) refuse("FIELD_INVALID", "is none of the client's", "scopes[0]");
  return {
    accessToken: `token-of-${clientId}`,
    refreshToken: `next-of-${clientId}`,
    expiresAt: { seconds: BigInt(Date.UTC(2100, 0, 1) / 1_000) },
    refreshExpiresAt: { seconds: BigInt(Date.UTC(2101, 0, 1) / 1_000) },
    audience: Audience.TASKS_API,
    scopes: ["read"],
  };
}

function refuse(reason: DomainError["reason"], message: string, path?: string): never {
  if (path === undefined) throw toConnectError(new DomainError(reason, message));
  throw toConnectError(DomainError.ofFaults([{ path, reason, message }]));
}
