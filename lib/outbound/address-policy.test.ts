import { describe, expect, test } from "vitest";
import { AddressPolicy } from "./address-policy.ts";
import { allowedHost } from "./allowed-host.ts";

const policy = (...entries: string[]): AddressPolicy =>
  new AddressPolicy(entries.flatMap((entry) => allowedHost(entry) ?? []));

const allows = (policy: AddressPolicy, address: string, { host = "a.example", port = 80 } = {}): boolean =>
  policy.allows({ host, port, address });

describe("the policy about addresses", () => {
  test.each(["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::8a"])(
    "allows %s, which is public",
    (address) => {
      expect(allows(policy(), address)).toBe(true);
    },
  );

  test.each([
    ["this network", "0.0.0.0"],
    ["private", "10.1.2.3"],
    ["private", "172.16.0.1"],
    ["private", "192.168.1.1"],
    ["carrier-grade NAT, and a cloud's metadata", "100.100.100.200"],
    ["loopback", "127.0.0.1"],
    ["loopback", "127.255.255.254"],
    ["link-local, and the metadata of clouds", "169.254.169.254"],
    ["a cloud's metadata", "192.0.0.192"],
    ["a cloud's platform", "168.63.129.16"],
    ["documentation", "203.0.113.7"],
    ["benchmarks", "198.18.0.1"],
    ["multicast", "224.0.0.1"],
    ["reserved", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["unspecified", "::"],
    ["loopback", "::1"],
    ["mapped IPv4", "::ffff:127.0.0.1"],
    ["mapped IPv4, even public", "::ffff:8.8.8.8"],
    ["IPv4-compatible", "::127.0.0.1"],
    ["NAT64", "64:ff9b::7f00:1"],
    ["NAT64 of the network's own", "64:ff9b:1::a00:1"],
    ["unique local", "fd00:ec2::254"],
    ["link-local", "fe80::1"],
    ["link-local with its interface", "fe80::1%eth0"],
    ["site-local", "fec0::1"],
    ["multicast", "ff02::1"],
    ["6to4", "2002:7f00:1::"],
    ["Teredo", "2001:0:53aa:64c::1"],
    ["documentation", "2001:db8::1"],
    ["no address at all", "localhost"],
  ])("refuses %s: %s", (_, address) => {
    expect(allows(policy(), address)).toBe(false);
  });

  test("allows the networks that the operator names, and nothing beside them", () => {
    const ours = policy("10.1.0.0/16", "fd00::/8");
    expect(allows(ours, "10.1.2.3")).toBe(true);
    expect(allows(ours, "10.2.0.1")).toBe(false);
    expect(allows(ours, "fd12::1")).toBe(true);
    expect(allows(ours, "::1")).toBe(false);
  });

  test("allows a host by its name wherever it leads, on the port that is named", () => {
    const ours = policy("api.internal:8080");
    expect(allows(ours, "10.1.2.3", { host: "API.internal.", port: 8_080 })).toBe(true);
    expect(allows(ours, "10.1.2.3", { host: "api.internal", port: 80 })).toBe(false);
    expect(allows(ours, "10.1.2.3", { host: "b.api.internal", port: 8_080 })).toBe(false);
  });

  test("allows an address on the port that is named", () => {
    const ours = policy("127.0.0.1:3000");
    expect(allows(ours, "127.0.0.1", { port: 3_000 })).toBe(true);
    expect(allows(ours, "127.0.0.1", { port: 22 })).toBe(false);
  });
});
