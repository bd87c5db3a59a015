import { describe, expect, test } from "vitest";
import { readEnvVars } from "./env-vars.ts";

describe("readEnvVars", () => {
  test("reads names and values, and nothing as none", () => {
    expect(readEnvVars(undefined)).toEqual({});
    expect(readEnvVars('{"API_KEY":"sk-1_2.3","RETRIES":3,"_x":""}')).toEqual({
      API_KEY: "sk-1_2.3",
      RETRIES: "3",
      _x: "",
    });
  });

  test.each(["", "{", "[]", "null", '"a"', '{"A":null}', '{"A":["b"]}', `{"A":"${"b".repeat(5_000)}"}`])(
    "refuses %.20j, which is no object of texts",
    (text) => {
      expect(() => readEnvVars(text)).toThrow(expect.objectContaining({ status: 400 }));
    },
  );

  test.each(["1A", "a-b", "", "a b", "a=b", "ä", "A".repeat(51), "A\n"])("refuses the name %j", (name) => {
    expect(() => readEnvVars(JSON.stringify({ [name]: "v" }))).toThrow("is not a name");
  });

  test.each([
    "PATH",
    "path",
    "LD_PRELOAD",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "HOME",
    "USER",
    "SHELL",
    "HTTPS_PROXY",
    "no_proxy",
    "TMPDIR",
    "ANTIPHON_SOCKET",
  ])("protects %s", (name) => {
    expect(() => readEnvVars(JSON.stringify({ [name]: "v" }))).toThrow(`${name} is protected`);
  });

  // Its 9.2.6: a newline in a value set any other variable, protected ones as well.
  test.each([
    "a;b",
    "a&b",
    "a|b",
    "a`b",
    "$A",
    "a(b",
    "a)b",
    "{a",
    "a}",
    "../a",
    "\\x41",
    "%41",
    "http://a",
    "HTTPS://a",
    "ftp://a",
    "a\nPATH=b",
    "a\rb",
    "a\0b",
    "a".repeat(501),
  ])("refuses the value %j without repeating it", (value) => {
    expect(() => readEnvVars(JSON.stringify({ KEY: value }))).toThrow(/^env_vars: the value of KEY (has|is)/);
  });

  test("takes thirty variables and no more", () => {
    const many = (count: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`A${index}`, "v"])));
    expect(Object.keys(readEnvVars(many(30)))).toHaveLength(30);
    expect(() => readEnvVars(many(31))).toThrow("more than 30");
  });
});
