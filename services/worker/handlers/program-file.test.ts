import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { FetchProgramResponseSchema } from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { ProgramRefused, programFile } from "./program-file.ts";

const config = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const fetched = (content: string, input = "") =>
  create(FetchProgramResponseSchema, {
    program: { content: Buffer.from(content) },
    input: Buffer.from(input),
  });

describe("programFile", () => {
  test("is a program without requirements on the interpreter as it is", () => {
    expect(programFile(config({ file_name: "a.py" }), fetched("print()", '{"x":1}'))).toMatchObject({
      kind: "program",
      fileName: "a.py",
      arguments: [],
      environment: { requirements: [] },
      wallMs: 3_600_000,
      input: { x: 1 },
    });
  });

  test("adds requirements to those of a flow", () => {
    const { kind, environment } = programFile(
      config({ file_name: "a.waldiez", requirements: ["six==1.17.0"] }),
      fetched("{}"),
    );
    expect(kind).toBe("waldiez");
    expect(environment.requirements).toContain("waldiez==0.7.1");
    expect(environment.requirements).toContain("six==1.17.0");
  });

  test("leaves the requirements that a flow lists out when they are to be skipped", () => {
    const skipping = config({ file_name: "a.waldiez", requirements: ["six"], skip_requirements: true });
    const { environment } = programFile(skipping, fetched('{"requirements":["listed"]}'));
    expect(environment.requirements).toEqual(["ag2[openai]==0.10.3", "six", "waldiez==0.7.1"]);
  });

  test("brings the environment and the message that it is started with", () => {
    const withEnv = create(FetchProgramResponseSchema, {
      program: { content: Buffer.from("{}"), env: { KEY: "value" } },
    });
    expect(programFile(config({ file_name: "a.waldiez", message: "hello" }), withEnv)).toMatchObject({
      variables: { KEY: "value" },
      message: "hello",
    });
    expect(programFile(config({ file_name: "a.py" }), fetched(""))).toMatchObject({
      variables: {},
      message: "",
    });
  });

  test.each([["../a.py"], ["a.sh"], [undefined]])("refuses the file name %j", (name) => {
    expect(() => programFile(config({ file_name: name }), fetched(""))).toThrow(ProgramRefused);
  });

  test("refuses a flow that is not JSON", () => {
    expect(() => programFile(config({ file_name: "a.waldiez" }), fetched("{"))).toThrow(
      "a.waldiez is not JSON",
    );
  });
});
