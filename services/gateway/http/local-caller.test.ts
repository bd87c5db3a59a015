import type { IncomingHttpHeaders } from "node:http";
import { describe, expect, test } from "vitest";
import { type LocalCaller, localAuthorization } from "./local-caller.ts";

const own = { host: "localhost:8000" };

describe("localAuthorization", () => {
  test.each<[string, IncomingHttpHeaders]>([
    ["curl on this machine", own],
    ["an address", { host: "127.0.0.1:8000" }],
    ["an address of six", { host: "[::1]:8000" }],
    ["a name of one word, as containers have", { host: "gateway" }],
    ["HTTP/2", { ":authority": "localhost:8000" }],
    ["a page of our own", { ...own, origin: "http://localhost:8000", "sec-fetch-site": "same-origin" }],
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

function caller(changes: Partial<LocalCaller> = {}): LocalCaller {
  return {
    token: async () => "local",
    throughProxies: false,
    isOurName: (name) => name === "antiphon.example.com",
    ...changes,
  };
}
