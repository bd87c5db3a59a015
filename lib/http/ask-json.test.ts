import { describe, expect, test } from "vitest";
import { httpServer } from "../../test/support/http-server.ts";
import { askJson } from "./ask-json.ts";

const timeoutMs = 10_000;

describe("askJson", () => {
  test("sends a body as JSON and answers status and body", async () => {
    await using server = await httpServer((_, response) => response.writeHead(202).end('{"a":1}'));
    const answer = await askJson(server.url, { body: { token: "t" }, headers: { "x-key": "k" }, timeoutMs });
    expect(answer).toEqual({ status: 202, body: { a: 1 } });
    expect(server.seen).toMatchObject([
      {
        method: "POST",
        body: '{"token":"t"}',
        headers: { "content-type": "application/json", "x-key": "k" },
      },
    ]);
  });

  test("answers without a body when what came is no JSON", async () => {
    await using server = await httpServer((_, response) => response.end("<html>"));
    expect(await askJson(server.url, { timeoutMs })).toEqual({ status: 200, body: undefined });
  });

  test("does not follow a redirect", async () => {
    await using server = await httpServer((request, response) => {
      response.writeHead(request.url === "/" ? 302 : 200, { location: "/elsewhere" }).end("{}");
    });
    expect(await askJson(server.url, { timeoutMs })).toMatchObject({ status: 302 });
    expect(server.seen.map(({ path }) => path)).toEqual(["/"]);
  });

  test("gives up on an answer that is too large", async () => {
    await using server = await httpServer((_, response) => response.end(`"${"x".repeat(300_000)}"`));
    await expect(askJson(server.url, { timeoutMs })).rejects.toThrow("larger than");
  });

  test("gives up on an answer that does not end in time", async () => {
    await using server = await httpServer((_, response) => response.write('{"a":'));
    await expect(askJson(server.url, { timeoutMs: 50 })).rejects.toMatchObject({ name: "TimeoutError" });
  });
});
