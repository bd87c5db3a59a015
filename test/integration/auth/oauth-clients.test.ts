/*
 * OAuth clients that others wrote, pointed at our metadata and told nothing else.
 */
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";

const clientId = "robot:1@example.com";
const clientSecret = "a secret with : and + and %";

let door: FrontDoor;

beforeAll(async () => {
  door = await openFrontDoor();
  await door.addClient(clientId, clientSecret);
});

afterAll(async () => {
  await door[Symbol.asyncDispose]();
});

describe("oauth4webapi", () => {
  const insecure = { [oauth.allowInsecureRequests]: true } as const;
  const client = { client_id: clientId };

  /** The server as its metadata describes it, found by either name for it. */
  async function discovered(algorithm: "oauth2" | "oidc" = "oauth2"): Promise<oauth.AuthorizationServer> {
    const issuer = new URL(door.url);
    const answer = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
    return await oauth.processDiscoveryResponse(issuer, answer);
  }

  async function issued(
    authenticate: oauth.ClientAuth,
    parameters: Record<string, string> = {},
  ): Promise<oauth.TokenEndpointResponse> {
    const server = await discovered();
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authenticate,
      parameters,
      insecure,
    );
    return await oauth.processClientCredentialsResponse(server, client, answer);
  }

  test.each([
    ["HTTP Basic", oauth.ClientSecretBasic],
    ["the body", oauth.ClientSecretPost],
  ])("gets tokens with credentials in %s", async (_way, method) => {
    const tokens = await issued(method(clientSecret), { scope: "read answer" });
    expect(tokens).toMatchObject({ token_type: "bearer", scope: "read answer", audience: "tasks-api" });
    expect(tokens.expires_in).toBeGreaterThan(3_000);
    expect(await door.whoIs(tokens.access_token)).toMatchObject({
      client: { clientId },
      scopes: ["read", "answer"],
    });
  });

  test("is told in OAuth's words what is wrong", async () => {
    await expect(issued(oauth.ClientSecretPost("wrong"))).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: "bearer" }],
    });
    await expect(issued(oauth.ClientSecretBasic("wrong"))).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: "basic" }],
    });
    await expect(issued(oauth.ClientSecretPost(clientSecret), { scope: "root" })).rejects.toMatchObject({
      status: 400,
      error: "invalid_scope",
    });
  });

  test("refreshes tokens, each refresh token once", async () => {
    const server = await discovered();
    const first = await issued(oauth.ClientSecretBasic(clientSecret));
    const refresh = async (token: string | undefined) => {
      const authenticate = oauth.ClientSecretBasic(clientSecret);
      const answer = await oauth.refreshTokenGrantRequest(
        server,
        client,
        authenticate,
        token ?? "",
        insecure,
      );
      return await oauth.processRefreshTokenResponse(server, client, answer);
    };
    const second = await refresh(first.refresh_token);
    const third = await refresh(second.refresh_token);
    expect(await door.whoIs(third.access_token)).toMatchObject({ client: { clientId } });
    expect(new Set([first, second, third].map(({ refresh_token }) => refresh_token)).size).toBe(3);
    await expect(refresh(third.access_token)).rejects.toMatchObject({ status: 400, error: "invalid_grant" });
  });

  test("is refused the refresh token of another client", async () => {
    await door.addClient("thief", clientSecret);
    const server = await discovered();
    const { refresh_token: token = "" } = await issued(oauth.ClientSecretBasic(clientSecret));
    const thief = { client_id: "thief" };
    const authenticate = oauth.ClientSecretBasic(clientSecret);
    const answer = await oauth.refreshTokenGrantRequest(server, thief, authenticate, token, insecure);
    const refreshing = oauth.processRefreshTokenResponse(server, thief, answer);
    await expect(refreshing).rejects.toMatchObject({ status: 400, error: "invalid_grant" });
  });

  test("takes a token back, and learns that it is not good any more", async () => {
    const server = await discovered();
    const authenticate = oauth.ClientSecretPost(clientSecret);
    const { access_token: token } = await issued(authenticate);
    const asked = async () => {
      const answer = await oauth.introspectionRequest(server, client, authenticate, token, insecure);
      return await oauth.processIntrospectionResponse(server, client, answer);
    };
    expect(await asked()).toMatchObject({
      active: true,
      client_id: clientId,
      aud: "tasks-api",
      token_type: "bearer",
    });
    const answer = await oauth.revocationRequest(server, client, authenticate, token, insecure);
    await oauth.processRevocationResponse(answer);
    expect(await asked()).toEqual({ active: false });
    expect(await door.whoIs(token)).toBe("TOKEN_REVOKED");
  });

  test("finds an access token to be of the issuer that it discovered (RFC 9068)", async () => {
    const server = await discovered("oidc");
    const { access_token: token } = await issued(oauth.ClientSecretBasic(clientSecret));
    const request = new Request("http://resource.example.com", {
      headers: { authorization: `Bearer ${token}` },
    });
    const options = { ...insecure, signingAlgorithms: ["EdDSA"] };
    const claims = await oauth.validateJwtAccessToken(server, request, "tasks-api", options);
    expect(claims).toMatchObject({ iss: door.url, client_id: clientId, sub: clientId });
  });
});

describe("openid-client", () => {
  const discovered = async (authenticate?: openid.ClientAuth) =>
    await openid.discovery(new URL(door.url), clientId, clientSecret, authenticate, {
      execute: [openid.allowInsecureRequests],
    });

  test.each([
    ["HTTP Basic", openid.ClientSecretBasic(clientSecret)],
    ["the body", openid.ClientSecretPost(clientSecret)],
  ])(
    "gets tokens, refreshes, introspects and revokes them with credentials in %s",
    async (_way, authenticate) => {
      const config = await discovered(authenticate);
      const first = await openid.clientCredentialsGrant(config, { scope: "read" });
      const second = await openid.refreshTokenGrant(config, first.refresh_token ?? "");
      expect(await openid.tokenIntrospection(config, second.access_token)).toMatchObject({
        active: true,
        scope: "read",
      });
      await openid.tokenRevocation(config, second.refresh_token ?? "");
      expect(await openid.tokenIntrospection(config, second.access_token)).toEqual({ active: false });
      expect(await door.whoIs(first.access_token)).toBe("TOKEN_REVOKED");
    },
  );
});

test("a token can be verified by its issuer's published keys alone", async () => {
  const config = await openid.discovery(new URL(door.url), clientId, clientSecret, undefined, {
    execute: [openid.allowInsecureRequests],
  });
  const { access_token: token } = await openid.clientCredentialsGrant(config);
  const { issuer, jwks_uri: keysUrl = "" } = config.serverMetadata();
  const keys = createRemoteJWKSet(new URL(keysUrl));
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer,
    audience: "tasks-api",
    typ: "at+jwt",
  });
  expect([payload["client_id"], protectedHeader.alg]).toEqual([clientId, "EdDSA"]);
});

test("the metadata and the tokens name the URL that the operator set", async () => {
  await using published = await openFrontDoor({ PUBLIC_URL: "https://antiphon.example.com/" });
  await published.addClient("c1", clientSecret);
  const metadata = await fetch(`${published.url}/.well-known/oauth-authorization-server`);
  expect(await metadata.json()).toMatchObject({ issuer: "https://antiphon.example.com" });
  const body = new URLSearchParams({ client_id: "c1", client_secret: clientSecret });
  const answer = await fetch(`${published.url}/auth/token`, { method: "POST", body });
  const { access_token: token } = (await answer.json()) as { access_token: string };
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as object;
  expect(claims).toMatchObject({ iss: "https://antiphon.example.com" });
  expect(await published.whoIs(token)).toMatchObject({ client: { clientId: "c1" } });
});
