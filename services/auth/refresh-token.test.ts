import { describe, expect, test } from "vitest";
import { drawRefreshToken, isRefreshToken, refreshTokenHash, refreshVerdict } from "./refresh-token.ts";

describe("a refresh token", () => {
  test("is another one each time, of a form that access tokens do not have", () => {
    const [one, two] = [drawRefreshToken(), drawRefreshToken()];
    expect(one).not.toBe(two);
    expect(isRefreshToken(one)).toBe(true);
    expect(isRefreshToken("eyJhbGciOiJFZERTQSJ9.e30.c2ln")).toBe(false);
    expect(refreshTokenHash(one).equals(refreshTokenHash(two))).toBe(false);
  });

  test.each([
    ["good", { isRevoked: false, hasExpired: false }],
    ["good", { isRevoked: false, hasExpired: false, usedForMs: 9_999 }],
    ["reused", { isRevoked: false, hasExpired: false, usedForMs: 10_001 }],
    ["reused", { isRevoked: false, hasExpired: true, usedForMs: 10_001 }],
    ["expired", { isRevoked: false, hasExpired: true }],
    ["revoked", { isRevoked: true, hasExpired: true, usedForMs: 10_001 }],
  ] as const)("is %s when it is %j", (verdict, shown) => {
    expect(refreshVerdict(shown)).toBe(verdict);
  });
});
