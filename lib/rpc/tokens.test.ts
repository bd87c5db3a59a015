import { exportJWK, exportSPKI, generateKeyPair, type JSONWebKeySet, type JWTPayload, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { allScopes } from "./access.ts";
import { internalToken } from "./internal-token.ts";
import { Revocations } from "./revocations.ts";
import { tokenVerifier } from "./tokens.ts";

const secretKey = "the secret of this installation";

let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let keys: JSONWebKeySet;
let fetches = 0;

beforeAll(async () => {
  pair = await generateKeyPair("EdDSA", { extractable: true });
  keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "EdDSA", use: "sig" }] };
});

function verifier() {
  fetches = 0;
  return tokenVerifier({
    secretKey,
    fetchKeys: async () => {
      fetches += 1;
      return keys;
    },
  });
}

const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;

interface Forgery {
  readonly header?: { readonly alg?: string; readonly typ?: string; readonly kid?: string };
  readonly claims?: JWTPayload;
  readonly key?: Parameters<SignJWT["sign"]>[0];
}

function aToken({ header, claims, key = pair.privateKey }: Forgery = {}): Promise<string> {
  return new SignJWT({ iss: "antiphon", sub: "alice", aud: "tasks-api", exp: inAnHour(), ...claims })
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: "k1", ...header })
    .sign(key);
}

describe("an access token", () => {
  test("says who calls, for what, and until when", async () => {
    await expect(verifier()(await aToken())).resolves.toMatchObject({
      clientId: "alice",
      audience: "tasks-api",
    });
  });

  test.each<[string, JWTPayload, object]>([
    [
      "its scopes, its family, its id and its age",
      { scope: "read answer fly", sid: "f1", jti: "t1", iat: 1_700_000_000 },
      {
        scopes: new Set(["read", "answer"]),
        familyId: "f1",
        tokenId: "t1",
        issuedAt: new Date(1_700_000_000_000),
      },
    ],
    ["every scope without the claim, as from before there were scopes", {}, { scopes: new Set(allScopes) }],
    ["no scope with an empty claim, or one that is no text", { scope: ["read"] }, { scopes: new Set() }],
  ])("says %s", async (_what, claims, caller) => {
    await expect(verifier()(await aToken({ claims }))).resolves.toMatchObject(caller);
  });

  test("is refused from when it is taken back, also when it was good before", async () => {
    const revocations = new Revocations();
    revocations.markComplete();
    const verify = tokenVerifier({ secretKey, fetchKeys: async () => keys, revocations });
    const token = await aToken({ claims: { jti: "t1" } });
    await verify(token);
    revocations.add([{ kind: "token", subject: "t1", expiresAt: new Date(Date.now() + 60_000) }]);
    await expect(verify(token)).rejects.toMatchObject({ reason: "TOKEN_REVOKED" });
    await expect(verify(await aToken({ claims: { jti: "t2" } }))).resolves.toMatchObject({ tokenId: "t2" });
  });

  test("is not taken before it is known what was taken back, and the token of a service is", async () => {
    const revocations = new Revocations();
    const verify = tokenVerifier({ secretKey, fetchKeys: async () => keys, revocations });
    await verify(await internalToken(secretKey, "taskio")());
    let isTaken = false;
    const taken = verify(await aToken()).then(() => {
      isTaken = true;
    });
    await new Promise(setImmediate);
    expect(isTaken).toBe(false);
    revocations.markComplete();
    await taken;
    expect(isTaken).toBe(true);
  });

  test("is refused without a signature", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "antiphon", sub: "alice", aud: "tasks-api", exp: inAnHour() };
    const unsigned = `${part({ alg: "none", typ: "at+jwt", kid: "k1" })}.${part(claims)}.`;
    await expect(verifier()(unsigned)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  });

  test("is refused when the public key was used as a shared secret", async () => {
    const published = new TextEncoder().encode(await exportSPKI(pair.publicKey));
    const forged = await aToken({ header: { alg: "HS256" }, key: published });
    await expect(verifier()(forged)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  });

  test("is refused when another key made its signature", async () => {
    const theirs = await generateKeyPair("EdDSA");
    await expect(verifier()(await aToken({ key: theirs.privateKey }))).rejects.toMatchObject({
      reason: "TOKEN_INVALID",
    });
  });

  test.each<[string, Forgery]>([
    ["names a key that nobody published", { header: { kid: "k2" } }],
    ["is of another type", { header: { typ: "JWT" } }],
    [
      "claims to be internal by its type",
      { header: { typ: "antiphon-internal+jwt" }, claims: { aud: "internal" } },
    ],
    ["claims to be internal by its audience", { claims: { aud: "internal" } }],
    ["is for another audience", { claims: { aud: "bank-api" } }],
    ["is for several audiences", { claims: { aud: ["tasks-api", "admin-api"] } }],
    ["names no client", { claims: { sub: undefined } } as object],
    ["never expires", { claims: { exp: undefined } } as object],
    ["is not yet valid", { claims: { nbf: inAnHour() } }],
  ])("is refused when it %s", async (_what, forgery) => {
    await expect(verifier()(await aToken(forgery))).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  });

  test("is refused as expired when it was valid once", async () => {
    const expired = await aToken({ claims: { exp: Math.floor(Date.now() / 1_000) - 60 } });
    await expect(verifier()(expired)).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
  });

  test.each(["", "a.b", "a.b.c", "x".repeat(5_000)])("is refused when it is none (%#)", async (text) => {
    await expect(verifier()(text)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  });
});

describe("an internal token", () => {
  test("says which service calls, and asks nobody for keys", async () => {
    const verify = verifier();
    await expect(verify(await internalToken(secretKey, "taskio")())).resolves.toMatchObject({
      clientId: "taskio",
      audience: "internal",
    });
    expect(fetches).toBe(0);
  });

  test("is refused when it was made with another secret", async () => {
    const foreign = await internalToken("another secret", "taskio")();
    await expect(verifier()(foreign)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  });

  test("is the same for many calls", async () => {
    const source = internalToken(secretKey, "taskio");
    expect(await source()).toBe(await source());
  });
});
