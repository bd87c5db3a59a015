import { describe, expect, test } from "vitest";
import { longestLine, longestResultLine, parseProgramMessage, workerMessageLine } from "./program-message.ts";

const parse = (value: unknown) =>
  parseProgramMessage(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));

describe("parseProgramMessage", () => {
  test("reads every kind of message and fills in what may be absent", () => {
    expect(parse({ type: "message", message: { a: [1, null] } })).toEqual({
      type: "message",
      message: { a: [1, null] },
    });
    expect(parse({ type: "input_request", prompt_id: "p1" })).toEqual({
      type: "input_request",
      promptId: "p1",
      prompt: "",
      password: false,
    });
    expect(parse({ type: "progress", fraction: 0.5 })).toEqual({
      type: "progress",
      fraction: 0.5,
      label: "",
    });
    expect(parse({ type: "artifact", path: "a/b.txt" })).toEqual({
      type: "artifact",
      path: "a/b.txt",
      name: "a/b.txt",
    });
    expect(parse({ type: "result", value: null })).toEqual({ type: "result", value: null });
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["no object", "[1]"],
    ["an unknown type", { type: "admin" }],
    ["an inherited name as type", { type: "constructor" }],
    ["a result without its value", { type: "result" }],
    ["a prompt id with a newline", { type: "input_request", prompt_id: "a\nb" }],
    ["a prompt id over 64 characters", { type: "input_request", prompt_id: "x".repeat(65) }],
    ["a fraction over 1", { type: "progress", fraction: 1.01 }],
    ["a path that climbs", { type: "artifact", path: "../x" }],
    ["an absolute path", { type: "artifact", path: "/etc/passwd" }],
    ["a __proto__ key", '{"type":"message","message":{"__proto__":{"admin":true}}}'],
    ["an escaped __proto__ key", '{"type":"message","message":[{"\\u005f_proto__":1}]}'],
    ["a deep value", `{"type":"message","message":${"[".repeat(65)}${"]".repeat(65)}}`],
    ["a very deep value", `{"type":"message","message":${"[".repeat(20_000)}${"]".repeat(20_000)}}`],
  ])("refuses %s", (_, value) => {
    expect(parse(value)).toBeUndefined();
  });

  test("a result may fill a longer line than anything else", () => {
    const filler = "x".repeat(longestLine);
    expect(parse({ type: "message", message: filler })).toBeUndefined();
    expect(parse({ type: "result", value: filler })).toEqual({ type: "result", value: filler });
    expect(parse({ type: "result", value: "x".repeat(longestResultLine) })).toBeUndefined();
  });

  test("makes text well formed", () => {
    const line = '{"type":"input_request","prompt_id":"p","prompt":"a\\ud800b"}';
    expect(parse(line)).toMatchObject({ prompt: "a\ufffdb" });
  });
});

describe("workerMessageLine", () => {
  test("says that a prompt closed without an answer", () => {
    expect(JSON.parse(workerMessageLine({ type: "input", promptId: "p" }))).toEqual({
      type: "input",
      prompt_id: "p",
      value: null,
      closed: true,
    });
  });

  test("hands over an answer on one line, whatever is in it", () => {
    const line = workerMessageLine({ type: "input", promptId: "p", value: "a\nb" });
    expect(line.indexOf("\n")).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual({ type: "input", prompt_id: "p", value: "a\nb", closed: false });
  });
});
