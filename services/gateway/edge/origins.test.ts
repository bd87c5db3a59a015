import { describe, expect, test } from "vitest";
import { Origins } from "./origins.ts";

describe("Origins", () => {
  const origins = new Origins({
    origins: ["https://App.example.com/", "http://localhost:3000"],
    pattern: "https://[a-z]+\\.preview\\.example",
  });

  test.each(["https://app.example.com", "http://localhost:3000", "https://main.preview.example"])(
    "allows %s by itself",
    (origin) => {
      expect(origins.permission(origin)).toBe("named");
    },
  );

  test.each([
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "http://localhost:3001",
    "https://main.preview.example.evil.example",
    "https://evil.example/https://main.preview.example",
    "null",
    "*",
  ])("does not allow %s", (origin) => {
    expect(origins.permission(origin)).toBeUndefined();
  });

  test("tells those that are listed from those that come with all", () => {
    const open = new Origins({ origins: ["*", "https://app.example.com"] });
    expect(open.permission("https://app.example.com")).toBe("named");
    expect(open.permission("null")).toBe("any");
    expect(open.permission("*")).toBe("any");
  });

  test.each([
    ["from no page", {}, true],
    ["from a page of ours", { origin: "http://127.0.0.1:8000", host: "127.0.0.1:8000" }, true],
    ["from a page of ours over HTTP/2", { origin: "https://a.example", ":authority": "a.example:443" }, true],
    [
      "from a page of ours behind a proxy that speaks TLS",
      { origin: "https://a.example", host: "a.example" },
      true,
    ],
    ["from a page that is allowed", { origin: "http://localhost:3000", host: "127.0.0.1:8000" }, true],
    ["from another port", { origin: "http://127.0.0.1:8001", host: "127.0.0.1:8000" }, false],
    ["from a stranger's page", { origin: "https://evil.example", host: "127.0.0.1:8000" }, false],
    ["from a file", { origin: "null", host: "127.0.0.1:8000" }, false],
  ])("believes a request %s: %s %s", (_where, headers, isBelieved) => {
    expect(origins.allow(headers)).toBe(isBelieved);
  });

  test("takes no time over an origin that a pattern matches in many ways", () => {
    const slow = new Origins({ origins: [], pattern: "(a+)+" });
    expect(slow.permission(`${"a".repeat(299)}!`)).toBeUndefined();
  });
});
