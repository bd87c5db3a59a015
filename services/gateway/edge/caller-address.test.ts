import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { callerAddress, callerNetwork } from "./caller-address.ts";

const from = (remoteAddress: string, forwardedFor?: string) => ({
  headers: { ...(forwardedFor !== undefined && { "x-forwarded-for": forwardedFor }) },
  socket: { remoteAddress } as Socket,
});

describe("callerAddress", () => {
  test("is the peer's where no proxy is known, whatever the request says", () => {
    expect(callerAddress(from("10.0.0.9", "1.2.3.4"), 0)).toBe("10.0.0.9");
    expect(callerAddress(from("::ffff:10.0.0.9"), 0)).toBe("10.0.0.9");
  });

  test.each([
    [1, "6.6.6.6, 1.2.3.4", "1.2.3.4"],
    [2, "6.6.6.6, 1.2.3.4, 10.0.0.8", "1.2.3.4"],
    [1, "1.2.3.4:5678", "1.2.3.4"],
    [1, "[2001:db8::1]:443", "2001:db8::1"],
    [2, "1.2.3.4", "1.2.3.4"],
    [1, "unknown", "10.0.0.9"],
    [1, undefined, "10.0.0.9"],
  ])("is what the first of %i proxies wrote into %s", (hops, forwardedFor, address) => {
    expect(callerAddress(from("10.0.0.9", forwardedFor), hops)).toBe(address);
  });
});

describe("callerNetwork", () => {
  test.each([
    ["1.2.3.4", "1.2.3.4"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["1::5:6:7:8:9:a", "1:0:5:6"],
    ["::1", "0:0:0:0"],
  ])("of %s is %s", (address, network) => {
    expect(callerNetwork(address)).toBe(network);
  });
});
