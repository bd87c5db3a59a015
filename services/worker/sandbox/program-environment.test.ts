import { expect, test } from "vitest";
import { programEnvironment } from "./program-environment.ts";

const places = { home: "/box", inputs: "/inputs", at: (path: string) => path };
const environment = (variables: Record<string, string>) => programEnvironment(places, "/run/s", variables);

test("has what programs expect and nothing of the worker", () => {
  expect(environment({ X: "1" })).toEqual({
    HOME: "/box",
    LANG: "C.UTF-8",
    PATH: "/usr/local/bin:/usr/bin:/bin",
    X: "1",
    ANTIPHON_INPUT_DIR: "/inputs",
    ANTIPHON_OUTPUT_DIR: "/box/output",
    ANTIPHON_RESULT_FILE: "/box/.antiphon-result.json",
    ANTIPHON_SOCKET: "/run/s",
  });
});

test("lets a spec choose PATH, and not the socket", () => {
  expect(environment({ PATH: "/venv/bin", ANTIPHON_SOCKET: "/x" })).toMatchObject({
    PATH: "/venv/bin",
    ANTIPHON_SOCKET: "/run/s",
  });
});

test.each(["", "A B", "A=B", "1A", "Ä"])("refuses the name %j", (name) => {
  expect(() => environment({ [name]: "" })).toThrow(TypeError);
});

test("refuses a zero byte and what is too long", () => {
  expect(() => environment({ A: "x\0y" })).toThrow(TypeError);
  expect(() => environment({ A: "x".repeat(128 * 1024) })).toThrow(RangeError);
});
