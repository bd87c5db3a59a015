import { describe, expect, test } from "vitest";
import { allowedHost } from "./allowed-host.ts";

describe("allowedHost", () => {
  test.each([
    ["Api.Internal.", { kind: "name", name: "api.internal", port: undefined }],
    ["localhost:3000", { kind: "name", name: "localhost", port: 3_000 }],
    ["10.0.0.0/8", { kind: "network", address: "10.0.0.0", prefix: 8, port: undefined }],
    ["10.1.2.3", { kind: "network", address: "10.1.2.3", prefix: 32, port: undefined }],
    ["10.1.2.3:80", { kind: "network", address: "10.1.2.3", prefix: 32, port: 80 }],
    ["fd00::/8", { kind: "network", address: "fd00::", prefix: 8, port: undefined }],
    ["::1", { kind: "network", address: "::1", prefix: 128, port: undefined }],
    ["[::1]:8080", { kind: "network", address: "::1", prefix: 128, port: 8_080 }],
  ])("reads %s", (entry, host) => {
    expect(allowedHost(entry)).toEqual(host);
  });

  test.each([
    "",
    "*",
    "http://a",
    "a/8",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/9",
    "a:99999",
    "[a]:1",
    "a b",
  ])("does not read %j", (entry) => {
    expect(allowedHost(entry)).toBeUndefined();
  });
});
