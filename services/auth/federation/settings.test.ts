import { describe, expect, test } from "vitest";
import { readEnv } from "../../../lib/config/env.ts";
import { federationSettings, federationVariables } from "./settings.ts";

const read = (env: Readonly<Record<string, string>>) => federationSettings(readEnv(federationVariables, env));

const corp = { issuer: "https://id.example.com/corp", audience: "antiphon" };

describe("federationSettings", () => {
  test("trusts nobody unless told", () => {
    expect(read({})).toEqual({ issuers: [], verifyHook: undefined });
  });

  test("knows an issuer by its host, and takes only what is signed with keys of two halves", () => {
    const { issuers } = read({ OIDC_ISSUERS: JSON.stringify([corp]) });
    expect(issuers).toEqual([
      {
        issuer: corp.issuer,
        name: "id.example.com",
        audiences: ["antiphon"],
        algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
        keysUrl: undefined,
        keysFreshMs: 600_000,
        clientIdClaim: "sub",
        allowsUnregistered: false,
        audienceOf: undefined,
        scopesOf: undefined,
      },
    ]);
  });

  test.each([
    ["HS256", /algorithms/],
    ["none", /algorithms/],
  ])("refuses the algorithm %s", (algorithm, fault) => {
    expect(() => read({ OIDC_ISSUERS: JSON.stringify([{ ...corp, algorithms: [algorithm] }]) })).toThrow(
      fault,
    );
  });

  test.each([
    ["what is no JSON", "{", /OIDC_ISSUERS: is no JSON$/],
    ["a misspelt member", [{ ...corp, audiance: "x" }], /OIDC_ISSUERS\[0\]: .*audiance/],
    ["a missing audience", [{ issuer: corp.issuer }], /OIDC_ISSUERS\[0\]\.audience: is required$/],
    ["a claim without what it means", [{ ...corp, audience_claim: "roles" }], /audience_map/],
    ["the same issuer twice", [corp, { ...corp, name: "again" }], /named twice/],
    [
      "two issuers of one name",
      [corp, { ...corp, issuer: "https://id.example.com/other" }],
      /"name" of its own/,
    ],
    ["an issuer that is asked by http", [{ ...corp, issuer: "http://id.example.com" }], /https/],
    ["keys that are asked for by http", [{ ...corp, jwks_url: "http://id.example.com/k" }], /https/],
  ])("refuses %s", (_what, issuers, fault) => {
    const OIDC_ISSUERS = typeof issuers === "string" ? issuers : JSON.stringify(issuers);
    expect(() => read({ OIDC_ISSUERS })).toThrow(fault);
  });

  test("lets tokens go by http where the operator says so, and to this machine", () => {
    const issuers = JSON.stringify([{ ...corp, issuer: "http://id.example.com" }]);
    expect(read({ OIDC_ISSUERS: issuers, FEDERATION_ALLOW_HTTP: "true" }).issuers).toHaveLength(1);
    expect(read({ EXTERNAL_AUTH_VERIFY_URL: "http://localhost:9000" }).verifyHook?.url).toBeDefined();
    expect(() => read({ EXTERNAL_AUTH_VERIFY_URL: "http://auth:9000" })).toThrow(/https/);
  });

  test("takes the Waldiez runner's one issuer and one service, when they are switched on", () => {
    const env = {
      WALDIEZ_RUNNER_OIDC_ISSUER_URL: "https://id.example.com",
      WALDIEZ_RUNNER_OIDC_AUDIENCE: "runner",
      WALDIEZ_RUNNER_OIDC_JWKS_URL: "https://id.example.com/keys",
      WALDIEZ_RUNNER_EXTERNAL_AUTH_VERIFY_URL: "https://users.example.com/verify",
    };
    expect(read(env)).toEqual({ issuers: [], verifyHook: undefined });
    const on = { WALDIEZ_RUNNER_USE_OIDC_AUTH: "true", WALDIEZ_RUNNER_ENABLE_EXTERNAL_AUTH: "true" };
    expect(read({ ...env, ...on })).toMatchObject({
      issuers: [{ keysUrl: "https://id.example.com/keys", keysFreshMs: 900_000, allowsUnregistered: false }],
      verifyHook: { url: "https://users.example.com/verify", secret: undefined },
    });
    expect(() => read({ WALDIEZ_RUNNER_USE_OIDC_AUTH: "true" })).toThrow(/OIDC_AUDIENCE/);
  });
});
