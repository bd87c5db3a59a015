import { describe, expect, test } from "vitest";
import { carryOut, outputOf } from "../../../test/support/a-leased-task.ts";
import { httpServer } from "../../../test/support/http-server.ts";
import { type LlmSettings, llm } from "./llm.ts";

const key = "sk-a-key-of-the-operator";

const settings = (url: string, of: Partial<LlmSettings> = {}): LlmSettings => ({
  baseUrl: `${url}/v1/`,
  apiKey: () => key,
  model: "small",
  timeoutMs: 20_000,
  ...of,
});

const completion = (content: unknown, more: object = {}): string =>
  JSON.stringify({
    id: "c",
    model: "small-2026",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    ...more,
  });

describe("llm at an endpoint", () => {
  test("asks as chat completions are asked, and gives answer, model and usage", async () => {
    await using server = await httpServer((_, response) => response.end(completion("an answer")));
    const config = { prompt: "a question", system: "be short", temperature: 0.2, max_tokens: 50 };
    expect(outputOf(await carryOut(llm(settings(server.url)), config))).toEqual({
      answer: "an answer",
      model: "small-2026",
      finish_reason: "stop",
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    expect(server.seen).toMatchObject([
      { method: "POST", path: "/v1/chat/completions", headers: { authorization: `Bearer ${key}` } },
    ]);
    expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({
      model: "small",
      messages: [
        { role: "system", content: "be short" },
        { role: "user", content: "a question" },
      ],
      temperature: 0.2,
      max_tokens: 50,
    });
  });

  test("takes a conversation, a model, and a prompt that a template made an object", async () => {
    await using server = await httpServer((_, response) => response.end(completion("yes")));
    const messages = [
      { role: "user", content: "one" },
      { role: "assistant", content: "two" },
    ];
    const handler = llm(settings(server.url, { apiKey: undefined, model: undefined }));
    outputOf(await carryOut(handler, { messages, model: "large" }));
    outputOf(await carryOut(handler, { prompt: { a: 1 }, model: "large" }));
    const bodies = server.seen.map(({ body }) => JSON.parse(body) as object);
    expect(bodies).toEqual([
      { model: "large", messages },
      { model: "large", messages: [{ role: "user", content: '{"a":1}' }] },
    ]);
    expect(server.seen[0]?.headers).not.toHaveProperty("authorization");
  });

  test("gives JSON where JSON was asked for, and fails when it is none", async () => {
    const answers = ['{"n": 1}', "well, {"];
    await using server = await httpServer((_, response) =>
      response.end(completion(answers[server.seen.length - 1])),
    );
    const handler = llm(settings(server.url));
    const config = { prompt: "as JSON", json: true };
    expect(outputOf(await carryOut(handler, config))).toMatchObject({ answer: { n: 1 } });
    expect(JSON.parse(server.seen[0]?.body ?? "")).toMatchObject({
      response_format: { type: "json_object" },
    });
    const outcome = await carryOut(handler, config);
    // A model that is asked again may answer otherwise.
    expect(outcome).toEqual({
      kind: "failed",
      reason: "RESPONSE_INVALID",
      message: "the model's answer is not JSON",
    });
  });

  test.each([
    [429, { retryDelayMs: 3_000 }],
    [503, { retryDelayMs: 3_000 }],
    [401, { nonRetryable: true }],
    [302, { nonRetryable: true }],
  ])("fails with status %d as %j, without the key", async (status, more) => {
    await using server = await httpServer((request, response) => {
      response.writeHead(status, { "retry-after": "3", location: "/elsewhere" });
      response.end(`wrong: ${request.headers.authorization}`);
    });
    expect(await carryOut(llm(settings(server.url)), { prompt: "x" })).toEqual({
      kind: "failed",
      reason: "HTTP_STATUS",
      message: `POST ${server.url}/v1/chat/completions was answered with ${status}: wrong: Bearer [secret]`,
      ...more,
    });
    expect(server.seen).toHaveLength(1);
  });

  test("keeps the key out of an answer that repeats it", async () => {
    await using server = await httpServer((_, response) => response.end(completion(`your key is ${key}`)));
    const output = outputOf(await carryOut(llm(settings(server.url)), { prompt: "x" }));
    expect(output).toMatchObject({ answer: "your key is [secret]" });
  });

  test.each([["not JSON"], ["{}"], [completion(null)], [JSON.stringify({ choices: [] })]])(
    "fails when the response is no completion: %s",
    async (body) => {
      await using server = await httpServer((_, response) => response.end(body));
      const outcome = await carryOut(llm(settings(server.url)), { prompt: "x" });
      expect(outcome).toMatchObject({ kind: "failed", reason: "RESPONSE_INVALID" });
    },
  );

  test("ends with its time", async () => {
    await using server = await httpServer(() => undefined);
    const outcome = await carryOut(llm(settings(server.url, { timeoutMs: 200 })), { prompt: "x" });
    expect(outcome).toMatchObject({ kind: "failed", reason: "CALL_TIMEOUT" });
  });

  test("wants a model from somebody", async () => {
    const handler = llm(settings("http://127.0.0.1:1", { model: undefined }));
    expect(await carryOut(handler, { prompt: "x" })).toMatchObject({
      reason: "CONFIG_INVALID",
      message: "config.model: is required, for the operator set no LLM_MODEL",
    });
  });
});

describe("llm without an endpoint", () => {
  test("fails and names the settings", async () => {
    const outcome = await carryOut(llm("none"), { prompt: "x" });
    expect(outcome).toMatchObject({ reason: "LLM_NOT_CONFIGURED", nonRetryable: true });
    expect(outcome.kind === "failed" && outcome.message).toContain("LLM_BASE_URL");
  });

  test("repeats the question where a stand-in is wanted, and marks it", async () => {
    expect(outputOf(await carryOut(llm("echo"), { prompt: "Summarize this" }))).toEqual({
      answer: "echo: Summarize this",
      model: "echo",
      finish_reason: "stop",
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
      echo: true,
    });
    const long = outputOf(await carryOut(llm("echo"), { prompt: `${"x".repeat(299)}😀`, json: true }));
    expect(long).toMatchObject({ answer: { echo: `${"x".repeat(299)}\ufffd` } });
  });

  test.each([
    [{}, "config.prompt: either it or messages is required, not both"],
    [{ prompt: "a", messages: [{ role: "user", content: "b" }] }, "config.prompt: either it or messages"],
    [{ messages: [{ role: "robot", content: "b" }] }, "config.messages[0].role: must be system, "],
    [{ prompt: "a", temperature: 3 }, "config.temperature: "],
    [{ prompt: "a", max_token: 3 }, "config.max_token: is not known"],
  ])("refuses the config %j", async (config, message) => {
    const outcome = await carryOut(llm("echo"), config);
    expect(outcome).toMatchObject({ reason: "CONFIG_INVALID", nonRetryable: true });
    expect(outcome.kind === "failed" && outcome.message).toContain(message);
  });
});
