import { describe, expect, test } from "vitest";
import { hostRule } from "./host-rule.ts";

const ownNames = [
  "localhost",
  "localhost:8000",
  "LOCALHOST.",
  "app.localhost:1",
  "127.0.0.1:8000",
  "127.1.2.3",
  "[::1]:80",
];
const othersNames = [
  "evil.example",
  "evil.example:8000",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "10.0.0.1",
  "[::2]",
  "",
  "a b[",
];

describe("bound to loopback", () => {
  const rule = hostRule({ boundTo: "127.0.0.1", trusted: [] });

  test.each(ownNames)("a server may be asked as %s", (name) => {
    expect(rule.allows(name)).toBe(true);
  });

  test.each(othersNames)("a server may not be asked as %j", (name) => {
    expect(rule.allows(name)).toBe(false);
  });

  test("a server may be asked by who names no host, which no browser does", () => {
    expect(rule.allows(undefined)).toBe(true);
  });
});

test("bound wider, a server may be asked by any name while none is listed", () => {
  expect(hostRule({ boundTo: "0.0.0.0", trusted: [] }).allows("evil.example")).toBe(true);
});

describe("listed names", () => {
  const rule = hostRule({
    boundTo: "0.0.0.0",
    trusted: ["Runs.Example.com", "*.antiphon.example", "10.0.0.1"],
  });

  test.each(["runs.example.com:443", "a.b.antiphon.example", "10.0.0.1:8000", "localhost"])(
    "have %s among them",
    (name) => {
      expect(rule.allows(name)).toBe(true);
    },
  );

  test.each(["example.com", "antiphon.example", "evilantiphon.example", "10.0.0.2"])(
    "do not have %s among them",
    (name) => {
      expect(rule.allows(name)).toBe(false);
    },
  );

  test("may be all, also on loopback", () => {
    expect(hostRule({ boundTo: "127.0.0.1", trusted: ["*"] }).allows("evil.example")).toBe(true);
  });
});
