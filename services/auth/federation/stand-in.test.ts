import { describe, expect, test } from "vitest";
import { hookStandIn, isStandIn, issuerStandIn } from "./stand-in.ts";

describe("a client that stands for another issuer's subject", () => {
  test("is named after it", () => {
    expect(issuerStandIn("corp", "auth0|7a")).toBe("oidc:corp:auth0|7a");
    expect(hookStandIn("user@example.com")).toBe("external:user@example.com");
  });

  test.each(["Alice Liddell", "a\0b", "x".repeat(5_000), "~", ""])(
    "is named after its digest when it is no plain name (%#)",
    (subject) => {
      expect(issuerStandIn("corp", subject)).toMatch(/^oidc:corp:~[\w-]{43}$/);
    },
  );

  test("has an id that no client of ours may have", () => {
    expect([issuerStandIn("corp", "a"), hookStandIn("a"), "tasks-1", "oidc"].map(isStandIn)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
