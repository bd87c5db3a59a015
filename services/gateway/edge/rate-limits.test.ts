import { beforeEach, describe, expect, test } from "vitest";
import { RateLimits } from "./rate-limits.ts";

const write = { audiences: "any", scope: "write" } as const;
const read = { audiences: "any", scope: "read" } as const;

let now: number;
let limits: RateLimits;

beforeEach(() => {
  now = 0;
  const logins = { perNetwork: { burst: 3, perSecond: 2 }, perClient: { burst: 4, perSecond: 1 } };
  const changes = { perNetwork: { burst: 3, perSecond: 1 }, perClient: { burst: 2, perSecond: 1 } };
  limits = new RateLimits({ logins, changes }, () => now);
});

function refusalOf(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (refusal) {
    return refusal;
  }
}

describe("logins", () => {
  const attempt = (address: string) => refusalOf(() => limits.takeLogin(address));

  test("are so many at once from one network, and then as many as time has brought", () => {
    expect(["10.0.0.1", "10.0.0.1", "10.0.0.1"].map(attempt)).toEqual([undefined, undefined, undefined]);
    expect(attempt("10.0.0.1")).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 500 });
    expect(attempt("10.0.0.2")).toBeUndefined();
    now = 500;
    expect(attempt("10.0.0.1")).toBeUndefined();
    expect(attempt("10.0.0.1")).toMatchObject({ reason: "RATE_LIMITED" });
  });

  test("are counted for all addresses of an IPv6 network together", () => {
    for (const last of ["1", "2", "3"]) expect(attempt(`2001:db8::${last}`)).toBeUndefined();
    expect(attempt("2001:db8::4")).toMatchObject({ reason: "RATE_LIMITED" });
  });

  test("are counted from this machine as from any other", () => {
    for (let index = 0; index < 3; index++) expect(attempt("127.0.0.1")).toBeUndefined();
    expect(attempt("127.0.0.1")).toMatchObject({ reason: "RATE_LIMITED" });
  });

  test("are so many in the name of one client, however long it is, and then as many as time has brought", () => {
    const as = (clientId: string) => refusalOf(() => limits.takeLoginAs(clientId));
    const long = "x".repeat(50_000);
    for (const clientId of ["c1", long]) {
      for (let index = 0; index < 4; index++) expect(as(clientId)).toBeUndefined();
      expect(as(clientId)).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 1_000 });
    }
    expect([as("c2"), as(`${long}y`)]).toEqual([undefined, undefined]);
    now = 1_000;
    expect(as("c1")).toBeUndefined();
    expect(as("c1")).toMatchObject({ reason: "RATE_LIMITED" });
  });
});

describe("changes", () => {
  const change = (clientId: string, address = "10.0.0.1") =>
    refusalOf(() => limits.takeChange({ clientId }, write, address));

  test("are so many of each client", () => {
    expect([change("c1"), change("c1")]).toEqual([undefined, undefined]);
    expect(change("c1")).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 1_000 });
    expect(change("c2")).toBeUndefined();
  });

  test("are so many of all clients on one network together", () => {
    expect(["c1", "c2", "c3"].map((clientId) => change(clientId))).toEqual([undefined, undefined, undefined]);
    expect(change("c4")).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 1_000 });
    expect(change("c4", "10.0.0.2")).toBeUndefined();
    now = 1_000;
    expect(change("c5")).toBeUndefined();
  });

  test("that the client's own limit refuses take nothing from others on its network", () => {
    expect([change("c1"), change("c1")]).toEqual([undefined, undefined]);
    for (let index = 0; index < 10; index++) expect(change("c1")).toMatchObject({ reason: "RATE_LIMITED" });
    expect(change("c2")).toBeUndefined();
  });

  test("are not what only looks", () => {
    for (let index = 0; index < 10; index++) limits.takeChange({ clientId: "c1" }, read, "10.0.0.1");
    expect(change("c1")).toBeUndefined();
  });

  test("have no limit where it is none in a second", () => {
    const none = { burst: 1, perSecond: 0 };
    const both = { perNetwork: none, perClient: none };
    const open = new RateLimits({ logins: both, changes: both });
    for (let index = 0; index < 10; index++) {
      expect(refusalOf(() => open.takeChange({ clientId: "c1" }, write, "10.0.0.1"))).toBeUndefined();
      expect(refusalOf(() => open.takeLogin("10.0.0.1"))).toBeUndefined();
      expect(refusalOf(() => open.takeLoginAs("c1"))).toBeUndefined();
    }
  });
});
