import { describe, expect, test } from "vitest";
import { readPortSettings } from "../config.ts";

describe("the settings of the port", () => {
  test.each([
    [
      '["http://localhost:3000/", "https://app.example.com"]',
      ["http://localhost:3000/", "https://app.example.com"],
    ],
    ["http://localhost:3000, https://app.example.com", ["http://localhost:3000", "https://app.example.com"]],
    ["http://localhost:3000 https://app.example.com", ["http://localhost:3000", "https://app.example.com"]],
    ["*", ["*"]],
    ["[]", []],
  ])("take origins written as %s", (text, origins) => {
    expect(readPortSettings({ BACKEND_CORS_ORIGINS: text }).edge.origins).toEqual(origins);
  });

  test.each([
    ["BACKEND_CORS_ORIGINS", "app.example.com"],
    ["BACKEND_CORS_ORIGINS", "https://app.example.com/path"],
    ["BACKEND_CORS_ORIGINS", '["https://app.example.com"'],
    ["BACKEND_CORS_ORIGINS", "[1]"],
    ["TRUSTED_ORIGIN_REGEX", "(?<=x)y"],
    ["TRUSTED_HOSTS", "https://app.example.com"],
    ["TRUSTED_HOSTS", "app.example.com:443/"],
    ["FORWARDED_FOR_HOPS", "-1"],
  ])("refuse %s %s, naming it", (name, value) => {
    expect(() => readPortSettings({ [name]: value })).toThrow(name);
  });

  test("take names of hosts with what stands for others", () => {
    const { edge } = readPortSettings({ TRUSTED_HOSTS: "*.example.com,10.0.0.1" });
    expect(edge.trustedHosts).toEqual(["*.example.com", "10.0.0.1"]);
  });

  test("want a certificate and its key together", () => {
    expect(readPortSettings({}).tls).toBeUndefined();
    expect(() => readPortSettings({ TLS_CERT: "/nowhere", TLS_KEY: "/nowhere" })).toThrow(
      /TLS_CERT: can not be read.*\n.*TLS_KEY: can not be read/,
    );
    for (const part of [{ TLS_CERT: "c" }, { TLS_KEY: "k" }, { TLS_CLIENT_CA: "ca" }]) {
      expect(() => readPortSettings(part)).toThrow("TLS_CERT, TLS_KEY");
    }
  });
});
