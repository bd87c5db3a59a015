import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import {
  ExchangeTokenResponseSchema,
  ListIssuersResponseSchema,
} from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { VerifyToken } from "../../lib/rpc/authenticate.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../test/support/a-caller.ts";
import { EdgeVerifier } from "./edge-verifier.ts";

const trusted = "https://id.example.com";

describe("EdgeVerifier", () => {
  test("verifies a token of ours without a call", async () => {
    const auth = new FakeAuth();
    const edge = edgeOf(auth);
    const caller = await edge.verify("ours");
    expect(caller.clientId).toBe("alice");
    expect(edge.tokenFor(caller)).toBeUndefined();
    expect(auth.calls).toEqual([]);
  });

  test("exchanges the token of a trusted issuer once, and hands the exchanged one on", async () => {
    const auth = new FakeAuth();
    const edge = edgeOf(auth);
    const token = tokenOf(trusted);
    const [first, second] = await Promise.all([edge.verify(token), edge.verify(token)]);
    const third = await edge.verify(token);
    expect([first.clientId, second.clientId, third.clientId]).toEqual(["bob", "bob", "bob"]);
    expect(edge.tokenFor(third)).toBe("exchanged");
    expect(auth.calls).toEqual(["listIssuers", "exchangeToken"]);
  });

  test.each([
    ["of another issuer", tokenOf("https://evil.example.com")],
    ["that names no issuer", tokenOf(undefined)],
    ["that is no JWT", "opaque"],
  ])("refuses a token %s without asking for an exchange", async (_kind, token) => {
    const auth = new FakeAuth();
    const edge = edgeOf(auth);
    await expect(edge.verify(token)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
    expect(auth.calls).toEqual(["listIssuers"]);
  });

  test("asks about any token that is not ours when a service verifies others", async () => {
    const auth = new FakeAuth({ verifiesOthers: true });
    await expect(edgeOf(auth).verify("opaque")).resolves.toMatchObject({ clientId: "bob" });
  });

  test.each(["expired", "revoked"])("does not ask about a token of ours that is %s", async (token) => {
    const auth = new FakeAuth({ verifiesOthers: true });
    const reason = `TOKEN_${token.toUpperCase()}`;
    await expect(edgeOf(auth).verify(token)).rejects.toMatchObject({ reason });
    expect(auth.calls).toEqual([]);
  });

  test("remembers for a while that a token was refused", async () => {
    const auth = new FakeAuth({ verifiesOthers: true });
    auth.refusal = new DomainError("TOKEN_EXPIRED", "the token has expired");
    const edge = edgeOf(auth);
    await expect(edge.verify("opaque")).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
    await expect(edge.verify("opaque")).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
    expect(auth.calls).toEqual(["listIssuers", "exchangeToken"]);
  });

  test("says that nobody answers, and asks again, when an exchange fails for another reason", async () => {
    const auth = new FakeAuth({ verifiesOthers: true });
    auth.refusal = new DomainError("SERVICE_UNAVAILABLE", "the issuer does not answer");
    const edge = edgeOf(auth);
    await expect(edge.verify("opaque")).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    auth.refusal = undefined;
    await expect(edge.verify("opaque")).resolves.toMatchObject({ clientId: "bob" });
  });

  test("says that nobody answers when auth never said whose tokens it takes", async () => {
    const auth = new FakeAuth({ isAway: true });
    const verifying = edgeOf(auth).verify("opaque");
    await expect(verifying).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
  });

  test("does not pass a flood of made-up tokens on", async () => {
    const auth = new FakeAuth({ verifiesOthers: true });
    auth.refusal = new DomainError("TOKEN_INVALID", "nobody's");
    const edge = edgeOf(auth);
    const tokens = Array.from({ length: 5_000 }, (_, index) => `opaque-${index}`);
    const outcomes = await Promise.all(
      tokens.map((token) => edge.verify(token).catch((refusal: DomainError) => refusal.reason)),
    );
    expect(new Set(outcomes)).toEqual(new Set(["TOKEN_INVALID", "RATE_LIMITED"]));
    expect(auth.calls.length).toBeLessThan(1_000);
  });

  test("asks again for an exchanged token after a while, and refuses it when it was taken back", async () => {
    let nowMs = 0;
    const auth = new FakeAuth();
    const edge = edgeOf(auth, () => nowMs);
    await edge.verify(tokenOf(trusted));
    nowMs = 31_000;
    auth.refusal = new DomainError("TOKEN_REVOKED", "the client is disabled");
    await expect(edge.verify(tokenOf(trusted))).rejects.toMatchObject({ reason: "TOKEN_REVOKED" });
  });

  test("goes on with an exchanged token to its end while nobody answers for it", async () => {
    let nowMs = 0;
    const auth = new FakeAuth();
    const edge = edgeOf(auth, () => nowMs);
    await edge.verify(tokenOf(trusted));
    auth.refusal = new DomainError("SERVICE_UNAVAILABLE", "the issuer does not answer");
    nowMs = 200_000;
    await expect(edge.verify(tokenOf(trusted))).resolves.toMatchObject({ clientId: "bob" });
    nowMs = 300_000;
    await expect(edge.verify(tokenOf(trusted))).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
  });

  test("does not fall back on an exchanged token that was taken back once nobody answers", async () => {
    let nowMs = 0;
    const auth = new FakeAuth();
    const edge = edgeOf(auth, () => nowMs);
    await edge.verify(tokenOf(trusted));
    nowMs = 31_000;
    auth.refusal = new DomainError("TOKEN_REVOKED", "the client is disabled");
    await expect(edge.verify(tokenOf(trusted))).rejects.toMatchObject({ reason: "TOKEN_REVOKED" });
    nowMs = 40_000;
    auth.refusal = new DomainError("SERVICE_UNAVAILABLE", "the issuer does not answer");
    await expect(edge.verify(tokenOf(trusted))).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
  });

  test("asks again for an exchanged token while a flood of made-up ones is refused", async () => {
    let nowMs = 0;
    const auth = new FakeAuth({ verifiesOthers: true });
    const edge = edgeOf(auth, () => nowMs);
    await edge.verify(tokenOf(trusted));
    nowMs = 31_000;
    auth.refusal = new DomainError("TOKEN_REVOKED", "nobody's, or taken back");
    const flood = Array.from({ length: 1_000 }, (_, index) => edge.verify(`opaque-${index}`));
    const outcomes = await Promise.allSettled(flood);
    expect(outcomes.at(-1)).toMatchObject({ reason: { reason: "RATE_LIMITED" } });
    await expect(edge.verify(tokenOf(trusted))).rejects.toMatchObject({ reason: "TOKEN_REVOKED" });
  });

  test("asks again for an exchanged token that nearly runs out", async () => {
    const auth = new FakeAuth({ verifiesOthers: true, lifetimeMs: 5_000 });
    const edge = edgeOf(auth);
    await edge.verify("opaque");
    await edge.verify("opaque");
    expect(auth.calls).toEqual(["listIssuers", "exchangeToken", "exchangeToken"]);
  });
});

const verifyOurs: VerifyToken = async (token) => {
  if (token === "ours") return aCaller();
  if (token === "exchanged") return aCaller({ clientId: "bob" });
  if (token === "expired") throw new DomainError("TOKEN_EXPIRED", "the token has expired");
  if (token === "revoked") throw new DomainError("TOKEN_REVOKED", "the token was taken back");
  throw new DomainError("TOKEN_INVALID", "the token is not one of this installation");
};

/** Answers as auth does, with every token good unless there is a refusal. */
class FakeAuth {
  readonly calls: string[] = [];
  readonly #options: { verifiesOthers?: boolean; isAway?: boolean; lifetimeMs?: number };
  refusal: DomainError | undefined;

  constructor(options: { verifiesOthers?: boolean; isAway?: boolean; lifetimeMs?: number } = {}) {
    this.#options = options;
  }

  async listIssuers() {
    this.calls.push("listIssuers");
    if (this.#options.isAway === true) throw toConnectError(new DomainError("SERVICE_UNAVAILABLE", "away"));
    const { verifiesOthers = false } = this.#options;
    return create(ListIssuersResponseSchema, { issuers: [trusted], verifiesOthers });
  }

  async exchangeToken() {
    this.calls.push("exchangeToken");
    if (this.refusal !== undefined) throw toConnectError(this.refusal);
    const expiresAt = timestampFromDate(new Date(Date.now() + (this.#options.lifetimeMs ?? 300_000)));
    return create(ExchangeTokenResponseSchema, { accessToken: "exchanged", expiresAt });
  }
}

function edgeOf(auth: FakeAuth, nowMs = () => performance.now()): EdgeVerifier {
  return new EdgeVerifier({ verify: verifyOurs, auth, nowMs });
}

function tokenOf(issuer: string | undefined): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part({ iss: issuer, sub: "bob" })}.signature`;
}
