import { createPublicKey } from "node:crypto";
import { generateKeyPair } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Audience } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { audience, type OidcIssuer, startOidcIssuer } from "../../support/oidc-issuer.ts";
import { until } from "../../support/until.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";

let issuer: OidcIssuer;
let other: OidcIssuer;
const doors: FrontDoor[] = [];

beforeAll(async () => {
  [issuer, other] = await Promise.all([startOidcIssuer(), startOidcIssuer()]);
});

afterEach(async () => {
  for (const door of doors.splice(0)) await door[Symbol.asyncDispose]();
});

afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

/** A gateway that trusts the issuer, as the operator describes it besides. */
async function trusting(described: object = {}): Promise<FrontDoor> {
  const entry = { issuer: issuer.url, audience, name: "corp", ...described };
  const door = await openFrontDoor({ OIDC_ISSUERS: JSON.stringify([entry]) });
  doors.push(door);
  return door;
}

describe("a token of a trusted issuer", () => {
  test("is good for the client that its subject is registered as", async () => {
    const door = await trusting();
    await door.addClient("alice");
    expect(await door.whoIs(await issuer.token())).toMatchObject({
      client: { clientId: "alice", audience: Audience.TASKS_API, uid: expect.stringMatching(/-/) },
      scopes: ["read", "write", "answer"],
    });
  });

  test("is refused when its subject is no client, unless the operator lets such in", async () => {
    const closed = await trusting();
    expect(await closed.whoIs(await issuer.token())).toBe("TOKEN_INVALID");
    const open = await trusting({ allow_unregistered: true });
    expect(await open.whoIs(await issuer.token())).toMatchObject({
      client: { clientId: "oidc:corp:alice", audience: Audience.TASKS_API, uid: "" },
    });
  });

  test("is good for what its claims mean", async () => {
    const door = await trusting({
      allow_unregistered: true,
      client_id_claim: "preferred.name",
      audience_claim: "realm_access.roles",
      audience_map: { boss: "admin-api", staff: "tasks-api" },
      scope_claim: "scope",
      scope_map: { "antiphon.read": "read" },
    });
    const claims = { preferred: { name: "Alice Liddell" }, scope: "openid antiphon.read" };
    const boss = await issuer.signed({ claims: { ...claims, realm_access: { roles: ["staff", "boss"] } } });
    const known = await door.whoIs(boss);
    expect(known).toMatchObject({ client: { audience: Audience.ADMIN_API }, scopes: ["read"] });
    // A name that no client may have stands in the id as its digest.
    expect(known).toMatchObject({ client: { clientId: expect.stringMatching(/^oidc:corp:~[\w-]{43}$/) } });
    const nobody = await issuer.signed({ claims: { ...claims, realm_access: { roles: ["guest"] } } });
    expect(await door.whoIs(nobody)).toBe("TOKEN_INVALID");
  });

  test("is refused soon after its client is disabled, and is not let in as a stranger", async () => {
    const door = await trusting({ allow_unregistered: true });
    await door.addClient("alice");
    const token = await issuer.token();
    expect(await door.whoIs(token)).toMatchObject({ client: { clientId: "alice" } });
    await door.as(door.managerToken).updateClient({
      client: { clientId: "alice", disabled: true },
      updateMask: { paths: ["disabled"] },
    });
    expect(await door.whoIs(token)).toBe("TOKEN_REVOKED");
    expect(await door.whoIs(await issuer.token())).toBe("TOKEN_REVOKED");
  });

  test("is good when it is signed with a key that replaced the one before", async () => {
    const door = await trusting({ allow_unregistered: true });
    const old = await issuer.token();
    expect(await door.whoIs(old)).toMatchObject({ client: { clientId: "oidc:corp:alice" } });
    await issuer.rotate();
    await until(
      "the new key is known",
      async () => typeof (await door.whoIs(await issuer.token())) === "object",
      30_000,
    );
  });

  test("is good while the issuer is away, once its keys are known, and not verified before", async () => {
    await using away = await startOidcIssuer();
    const described = { issuer: away.url, allow_unregistered: true };
    const [knowing, ignorant] = [await trusting(described), await trusting(described)];
    expect(await knowing.whoIs(await away.token())).toMatchObject({
      client: { clientId: "oidc:corp:alice" },
    });
    const another = await away.token();
    await away.stop();
    expect(await knowing.whoIs(another)).toMatchObject({ client: { clientId: "oidc:corp:alice" } });
    expect(await ignorant.whoIs(another)).toBe("SERVICE_UNAVAILABLE");
  });

  test("is not worth a fetch of the keys each when its key is made up", async () => {
    const door = await trusting({ allow_unregistered: true });
    const before = issuer.keyFetches();
    const { privateKey } = await generateKeyPair("RS256");
    const tokens = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        issuer.signed({ key: privateKey, header: { kid: `made-up-${index}` } }),
      ),
    );
    const outcomes = await Promise.all(tokens.map((token) => door.whoIs(token)));
    expect(new Set(outcomes)).toEqual(new Set(["TOKEN_INVALID"]));
    expect(issuer.keyFetches() - before).toBeLessThan(10);
  });
});

describe("a token that is not good is refused", () => {
  let door: FrontDoor;

  beforeAll(async () => {
    const entry = { issuer: issuer.url, audience, name: "corp", allow_unregistered: true };
    const another = { issuer: other.url, audience, name: "other", allow_unregistered: true };
    door = await openFrontDoor({ OIDC_ISSUERS: JSON.stringify([entry, another]) });
  });

  test("and the same token is taken when nothing is wrong with it", async () => {
    expect(await door.whoIs(await issuer.signed())).toMatchObject({
      client: { clientId: "oidc:corp:alice" },
    });
  });

  afterAll(async () => {
    await door[Symbol.asyncDispose]();
  });

  const past = Math.floor(Date.now() / 1_000) - 3_600;

  test.each([
    ["has expired", { claims: { exp: past } }, "TOKEN_EXPIRED"],
    ["is not good yet", { claims: { nbf: past + 7_200 } }, "TOKEN_INVALID"],
    ["never expires", { claims: { exp: undefined as unknown as number } }, "TOKEN_INVALID"],
    ["is for somebody else", { claims: { aud: "https://other.example.com" } }, "TOKEN_INVALID"],
    ["has no subject", { claims: { sub: undefined as unknown as string } }, "TOKEN_INVALID"],
    ["has a subject that is no text", { claims: { sub: 7 as unknown as string } }, "TOKEN_INVALID"],
    ["has a subject that is too long", { claims: { sub: "x".repeat(256) } }, "TOKEN_INVALID"],
    ["is an ID token", { claims: { nonce: "n" }, header: { typ: "JWT" } }, "TOKEN_INVALID"],
    ["is a logout token", { header: { typ: "logout+jwt" } }, "TOKEN_INVALID"],
    ["is a refresh token of Keycloak's form", { claims: { typ: "Refresh" } }, "TOKEN_INVALID"],
    ["is bound to a key", { claims: { cnf: { jkt: "thumbprint" } } }, "TOKEN_INVALID"],
  ])("when it %s", async (_what, change, reason) => {
    expect(await door.whoIs(await issuer.signed(change))).toBe(reason);
  });

  test("when somebody else signed it under the issuer's key id", async () => {
    const { privateKey } = await generateKeyPair("RS256");
    expect(await door.whoIs(await issuer.signed({ key: privateKey }))).toBe("TOKEN_INVALID");
  });

  test("when another trusted issuer signed it", async () => {
    const kid = String(other.publicJwk().kid);
    const token = await other.signed({ claims: { iss: issuer.url }, header: { kid } });
    expect(await door.whoIs(token)).toBe("TOKEN_INVALID");
  });

  test("when it is signed with the public key as if that were a shared secret", async () => {
    const pem = createPublicKey({ key: issuer.publicJwk(), format: "jwk" }).export({
      type: "spki",
      format: "pem",
    });
    const secret = new TextEncoder().encode(String(pem));
    expect(await door.whoIs(await issuer.signed({ key: secret, header: { alg: "HS256" } }))).toBe(
      "TOKEN_INVALID",
    );
  });

  test("when it says that it is not signed", async () => {
    const [, payload] = (await issuer.signed()).split(".");
    const header = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    for (const signature of ["", "x"]) {
      expect(await door.whoIs(`${header}.${payload}.${signature}`)).toBe("TOKEN_INVALID");
    }
  });

  test("when it was changed after it was signed", async () => {
    const [header, payload = "", signature] = (await issuer.signed()).split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: "bob" })).toString("base64url");
    expect(await door.whoIs(`${header}.${changed}.${signature}`)).toBe("TOKEN_INVALID");
  });

  test("when its issuer is not trusted", async () => {
    const token = await issuer.signed({ claims: { iss: "https://evil.example.com" } });
    expect(await door.whoIs(token)).toBe("TOKEN_INVALID");
  });
});
