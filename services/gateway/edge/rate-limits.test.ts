import { beforeEach, describe, expect, test } from "vitest";
import { RateLimits } from "./rate-limits.ts";

const write = { audiences: "any", scope: "write" } as const;
const read = { audiences: "any", scope: "read" } as const;

let now: number;
let limits: RateLimits;

beforeEach(() => {
  now = 0;
  limits = new RateLimits(
    { logins: { burst: 3, perSecond: 2 }, changes: { burst: 2, perSecond: 1 } },
    () => now,
  );
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
});

describe("changes", () => {
  const change = (clientId: string) => refusalOf(() => limits.takeChange({ clientId }, write));

  test("are so many of each client", () => {
    expect([change("c1"), change("c1")]).toEqual([undefined, undefined]);
    expect(change("c1")).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 1_000 });
    expect(change("c2")).toBeUndefined();
  });

  test("are not what only looks", () => {
    for (let index = 0; index < 10; index++) limits.takeChange({ clientId: "c1" }, read);
    expect(change("c1")).toBeUndefined();
  });

  test("have no limit where it is none in a second", () => {
    const open = new RateLimits({ logins: { burst: 1, perSecond: 0 }, changes: { burst: 1, perSecond: 0 } });
    for (let index = 0; index < 10; index++) open.takeChange({ clientId: "c1" }, write);
    expect(refusalOf(() => open.takeLogin("10.0.0.1"))).toBeUndefined();
  });
});
