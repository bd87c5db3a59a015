import { describe, expect, test } from "vitest";
import type { CallRequest } from "./exchange.ts";
import { redirected } from "./redirect.ts";

const request = (of: Partial<Omit<CallRequest, "url">> & { readonly url?: string } = {}): CallRequest => ({
  method: "GET",
  headers: {
    authorization: "Bearer a",
    "x-api-key": "b",
    cookie: "c",
    accept: "text/plain",
    "content-type": "x/y",
  },
  body: undefined,
  ...of,
  url: new URL(of.url ?? "https://a.example/one?x=1"),
});

const follow = (of: CallRequest, status: number, location: string): CallRequest => {
  const next = redirected(of, { status, location });
  if (next.kind === "refused") throw new Error(next.why);
  return next.request;
};

describe("a redirect", () => {
  test("keeps the headers within an origin", () => {
    const next = follow(request(), 302, "/two");
    expect(next.url.href).toBe("https://a.example/two");
    expect(next.headers).toEqual(request().headers);
  });

  test.each(["https://b.example/", "https://a.example:8443/", "//b.a.example/"])(
    "takes no key or cookie along to the other origin %s",
    (location) => {
      expect(follow(request(), 302, location).headers).toEqual({
        accept: "text/plain",
        "content-type": "x/y",
      });
    },
  );

  test("drops credentials and a fragment that its URL has", () => {
    expect(follow(request(), 302, "https://me:secret@a.example/two#part").url.href).toBe(
      "https://a.example/two",
    );
  });

  test.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "PUT", "GET"],
    [303, "HEAD", "HEAD"],
    [302, "DELETE", "DELETE"],
    [307, "POST", "POST"],
    [308, "PUT", "PUT"],
  ])("with %d makes of a %s a %s", (status, method, then) => {
    const next = follow(request({ method, body: "data" }), status, "/two");
    expect(next.method).toBe(then);
    expect(next.body).toBe(method !== "HEAD" && then === "GET" ? undefined : "data");
    expect("content-type" in next.headers).toBe(next.body !== undefined);
  });

  test.each([
    ["http://a.example/", "from https to http"],
    ["file:///etc/passwd", "to file:"],
    ["javascript:alert(1)", "to javascript:"],
    ["http://", "to what is not a URL"],
  ])("to %s is refused", (location, why) => {
    expect(redirected(request(), { status: 302, location })).toEqual({ kind: "refused", why });
  });

  test("from http to https is followed", () => {
    const from = request({ url: "http://a.example/" });
    expect(follow(from, 301, "https://a.example/").url.protocol).toBe("https:");
  });
});
