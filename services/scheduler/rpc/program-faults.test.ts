import { readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ProgramSchema } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { programFaults } from "./program-faults.ts";

const flow = readFileSync(new URL("../../../examples/chat.waldiez", import.meta.url));

const faultsOf = (program: MessageInitShape<typeof ProgramSchema>) =>
  programFaults(create(ProgramSchema, { fileName: "a.py", content: Buffer.from("x"), ...program })).map(
    ({ path, message }) => `${path} ${message}`,
  );

describe("the environment of a program", () => {
  test("may hold any text under a plain name, lines of it too", () => {
    expect(faultsOf({ env: { OPENAI_API_KEY: "sk-…\nsecond line; `$(x)`", _x9: "" } })).toEqual([]);
  });

  test.each([
    "PATH",
    "HOME",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "BASH_ENV",
    "ENV",
    "IFS",
    "ANTIPHON_SOCKET",
  ])("has no %s", (name) => {
    expect(faultsOf({ env: { [name]: "v" } })).toEqual([
      `program.env["${name}"] is a name that is not for programs to be given`,
    ]);
  });

  test.each(["", "1A", "A-B", "A B", "A=B", "Ä", "A\n"])("has no name %j", (name) => {
    expect(faultsOf({ env: { [name]: "v" } })).toHaveLength(1);
  });

  test("is bounded, and no value is told", () => {
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`N${index}`, "v"]));
    expect(faultsOf({ env: many })).toEqual(["program.env has more than 100 names"]);
    expect(faultsOf({ env: { A: "x".repeat(65_535) } })).toEqual([]);
    expect(faultsOf({ env: { A: "x".repeat(65_536) } })).toEqual(["program.env takes more than 65536 bytes"]);
    expect(faultsOf({ env: { A: "secret\0" } }).join()).not.toContain("secret");
  });
});

describe("a message", () => {
  test("is for flows alone", () => {
    expect(faultsOf({ message: "hello" })).toEqual(["program.message is only for .waldiez files"]);
    expect(faultsOf({ fileName: "chat.waldiez", content: flow, message: "hello {{ x }}" })).toEqual([]);
  });

  test("takes 64 KiB at most", () => {
    const message = "ä".repeat(32_769);
    expect(faultsOf({ fileName: "chat.waldiez", content: flow, message })).toEqual([
      "program.message is longer than 65536 bytes",
    ]);
  });
});

test.each([999, 30 * 86_400_000 + 1])("a question does not wait for %d ms", (ms) => {
  expect(faultsOf({ promptTimeout: durationFromMs(ms) })).toEqual([
    "program.prompt_timeout is not from 1 s to 30 days",
  ]);
});

test.each([1_000, 30 * 86_400_000])("a question may wait for %d ms", (ms) => {
  expect(faultsOf({ promptTimeout: durationFromMs(ms) })).toEqual([]);
});
