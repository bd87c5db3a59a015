import { create, equals } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SubmitTaskRequestSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { FakeAntiphon } from "../../test/support/fake-antiphon.ts";
import { Antiphon } from "./antiphon.ts";
import { submissionMessage } from "./submission.ts";

const file = { name: "a.waldiez", content: Buffer.from("{}") };

test("A submission is sent with everything that can be said of it", async () => {
  const server = new FakeAntiphon({ "a.waldiez": () => "done" });
  await using listening = await server.listen();
  using antiphon = new Antiphon({
    url: listening.url,
    credentials: { clientId: "c1", clientSecret: "s1" },
  });
  const task = await antiphon.submit({
    file,
    input: { n: 1 },
    arguments: ["--fast"],
    requirements: ["rich"],
    skipRequirements: true,
    env: { API_KEY: "k" },
    message: "Begin.",
    wallTimeMs: 90_000,
    promptTimeoutMs: 1_500,
    labels: { team: "a" },
  });
  expect(await task.wait()).toBe("done");
  const [submitted] = server.asked.filter(({ method }) => method === "submitTask");
  expect(submitted?.request).toMatchObject({
    program: {
      fileName: "a.waldiez",
      arguments: ["--fast"],
      requirements: ["rich"],
      skipRequirements: true,
      env: { API_KEY: "k" },
      message: "Begin.",
      wallTime: { seconds: 90n },
      promptTimeout: { seconds: 1n, nanos: 500_000_000 },
    },
    input: new TextEncoder().encode('{"n":1}'),
    labels: { team: "a" },
  });
});

test("Nothing is said of what a submission leaves open", async () => {
  const message = create(SubmitTaskRequestSchema, await submissionMessage({ file }));
  const least = create(SubmitTaskRequestSchema, {
    program: { fileName: file.name, content: file.content },
  });
  expect(equals(SubmitTaskRequestSchema, message, least)).toBe(true);
});
