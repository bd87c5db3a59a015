import type { IncomingHttpHeaders } from "node:http";
import { describe, expect, test } from "vitest";
import { type LocalCaller, localAuthorization, localCaller } from "./local-caller.ts";

const own = { host: "localhost:8000" };

describe("localAuthorization", () => {
  test.each<[string, IncomingHttpHeaders]>([
    ["curl on this machine", own],
    ["an address", { host: "127.0.0.1:8000" }],
    ["an address of six", { host: "[::1]:8000" }],
    ["a name of one word, as containers have", { host: "gateway" }],
    ["HTTP/2", { ":authority": "localhost:8000" }],
    ["a page of our own", { ...own, origin: "http://localhost:8000", "sec-fetch-site": "same-origin" }],
    ["a page of an origin that is allowed", { ...own, origin: "http://localhost:5173" }],
    ["what a person typed into a browser", { ...own, "sec-fetch-site": "none" }],
    ["a name that the operator says is ours", { host: "antiphon.example.com" }],
  ])("takes %s for the local client", async (_who, headers) => {
    expect(await localAuthorization(headers, caller())).toBe("Bearer local");
  });

  test.each<[string, IncomingHttpHeaders]>([
    ["a page of another site", { ...own, origin: "https://evil.example" }],
    ["a page of another port", { ...own, origin: "http://localhost:3000", "sec-fetch-site": "same-site" }],
    ["a page without an origin", { ...own, origin: "null" }],
    ["an image of another site's page", { ...own, "sec-fetch-site": "cross-site" }],
    ["a name that was made to lead here", { host: "evil.example:8000", origin: "http://evil.example:8000" }],
    ["a name with a dot at its end", { host: "localhost.:8000" }],
    ["no host", {}],
    ["a host that is none", { host: "a:b:c" }],
    ["what a proxy passes on", { ...own, "x-forwarded-for": "192.0.2.7" }],
  ])("wants a token of %s", async (_who, headers) => {
    await expect(localAuthorization(headers, caller())).rejects.toMatchObject({ reason: "TOKEN_MISSING" });
  });

  test("lets in what comes through a proxy where that is allowed", async () => {
    const headers = { ...own, "x-forwarded-for": "192.0.2.7" };
    expect(await localAuthorization(headers, caller({ throughProxies: true }))).toBe("Bearer local");
  });
});

describe("localCaller", () => {
  const nothing = { trustedHosts: [], origins: [] };

  test.each([
    [false, true, "127.0.0.1", true],
    [false, true, "0.0.0.0", false],
    [false, false, "127.0.0.1", false],
    [true, false, "0.0.0.0", true],
  ])(
    "open to all %s, on loopback %s, bound to %s: lets calls in: %s",
    (areOpen, areOpenOnLoopback, boundTo, isThere) => {
      const found = localCaller(
        { areOpen, areOpenOnLoopback },
        { boundTo, token: async () => "local", edge: nothing },
      );
      expect(found !== undefined).toBe(isThere);
    },
  );

  test("takes names and origins that are listed, but none because any will do", () => {
    const settings = { areOpen: true, areOpenOnLoopback: true };
    const named = { trustedHosts: ["*.example.com"], origins: ["https://app.example.com"] };
    const any = { trustedHosts: ["*"], origins: ["*"] };
    const token = async () => "local";
    const [strict, lax] = [named, any].map((edge) =>
      localCaller(settings, { boundTo: "0.0.0.0", token, edge }),
    );
    expect(strict?.isOurName("a.example.com")).toBe(true);
    expect(strict?.isOurOrigin("https://app.example.com")).toBe(true);
    expect(strict?.isOurName("evil.example")).toBe(false);
    expect(lax?.isOurName("evil.example")).toBe(false);
    expect(lax?.isOurOrigin("https://evil.example")).toBe(false);
  });
});

function caller(changes: Partial<LocalCaller> = {}): LocalCaller {
  return {
    token: async () => "local",
    throughProxies: false,
    isOurName: (name) => name === "antiphon.example.com",
    isOurOrigin: (origin) => origin === "http://localhost:5173",
    ...changes,
  };
}
