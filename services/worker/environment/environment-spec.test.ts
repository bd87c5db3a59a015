import { describe, expect, test } from "vitest";
import { environmentDigest, flowEnvironment, programEnvironment } from "./environment-spec.ts";

const interpreter = { version: "3.11.2", platform: "linux-x86_64" };

describe("environmentDigest", () => {
  test("is the same for the same content however it is written", () => {
    const digests = [
      ["Six", "a==1"],
      ["a == 1", "six"],
    ].map((texts) => environmentDigest(programEnvironment(texts), interpreter));
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(digests[0]).toBe(digests[1]);
  });

  test("differs by requirements, by version of Python and by platform", () => {
    const six = programEnvironment(["six"]);
    const digests = [
      environmentDigest(six, interpreter),
      environmentDigest(programEnvironment(["six==1"]), interpreter),
      environmentDigest(six, { ...interpreter, version: "3.12.0" }),
      environmentDigest(six, { ...interpreter, platform: "linux-aarch64" }),
    ];
    expect(new Set(digests).size).toBe(4);
  });
});

describe("flowEnvironment", () => {
  test("asks for the pinned Waldiez and ag2 whatever the flow says about these", () => {
    const flow = { requirements: ["waldiez==0.1", "ag2[openai]>=1", "autogen", "ag2-tools-x", "six"] };
    expect(flowEnvironment(flow).requirements).toEqual([
      "ag2-tools-x",
      "ag2[openai]==0.10.3",
      "six",
      "waldiez==0.7.1",
    ]);
  });

  test("asks for what its agents, models and tools need", () => {
    const data = {
      agents: { assistantAgents: [{ requirements: ["a"] }] },
      models: [{ requirements: ["b"], data: { apiType: "google" } }, { data: { apiType: "google" } }],
      tools: [{ data: { toolType: "langchain" } }],
    };
    expect(flowEnvironment({ data }).requirements).toEqual([
      "a",
      "ag2[gemini,interop-langchain,openai]==0.10.3",
      "b",
      "waldiez==0.7.1",
    ]);
  });

  test("leaves out what the flow lists when that is to be skipped, and nothing that it can not run without", () => {
    const data = { models: [{ requirements: ["b"], data: { apiType: "google" } }] };
    expect(flowEnvironment({ requirements: ["a"], data }, { skipListed: true }).requirements).toEqual([
      "ag2[gemini,openai]==0.10.3",
      "waldiez==0.7.1",
    ]);
  });

  test.each([undefined, null, 1, [], {}, { data: { agents: 3, models: {}, tools: [null] } }])(
    "asks for no more than Waldiez for %j",
    (flow) => {
      expect(flowEnvironment(flow).requirements).toEqual(["ag2[openai]==0.10.3", "waldiez==0.7.1"]);
    },
  );

  test("refuses a requirement that is no plain name", () => {
    expect(() => flowEnvironment({ requirements: ["six @ file:///etc/passwd"] })).toThrow(
      "is not a package name",
    );
  });
});
