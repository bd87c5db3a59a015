import { describe, expect, test } from "vitest";
import { httpServer } from "../../test/support/http-server.ts";
import { taskPermission } from "./task-permission.ts";

const alice = { externalSubject: "alice & co" };

describe("taskPermission", () => {
  test("asks about a user of another issuer, with the secret, and lets a yes pass", async () => {
    await using server = await httpServer((_, response) => response.end("anything"));
    const permit = taskPermission({ url: `${server.url}/may?plan=a`, secret: () => "s1" });
    await expect(permit(alice)).resolves.toBeUndefined();
    expect(server.seen).toMatchObject([
      {
        method: "GET",
        path: "/may?plan=a&user_id=alice+%26+co",
        headers: { "x-runner-secret-key": "s1" },
      },
    ]);
  });

  test.each([
    ['{"reason":"three is enough"}', "three is enough"],
    ["no", "no more tasks are permitted at the moment"],
  ])("refuses with the reason that the service gives (%s)", async (body, message) => {
    await using server = await httpServer((_, response) => response.writeHead(429).end(body));
    const permit = taskPermission({ url: server.url, secret: undefined });
    await expect(permit(alice)).rejects.toMatchObject({ reason: "NOT_PERMITTED", message });
  });

  test.each([401, 302, 500])(
    "takes a service that answers %i as one that does not answer",
    async (status) => {
      await using server = await httpServer((_, response) => response.writeHead(status).end());
      const permit = taskPermission({ url: server.url, secret: undefined });
      await expect(permit(alice)).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    },
  );

  test("takes a service that nobody can reach as one that does not answer", async () => {
    const { url } = await closedServer();
    const permit = taskPermission({ url, secret: undefined });
    await expect(permit(alice)).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
  });

  test("asks nobody about a client of our own", async () => {
    await using server = await httpServer((_, response) => response.writeHead(500).end());
    await expect(taskPermission({ url: server.url, secret: undefined })({})).resolves.toBeUndefined();
    expect(server.seen).toEqual([]);
  });

  test("lets everybody pass where there is no service", async () => {
    await expect(taskPermission(undefined)(alice)).resolves.toBeUndefined();
  });
});

async function closedServer() {
  await using server = await httpServer((_, response) => response.end());
  return { url: server.url };
}
