import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { Audience } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { type HttpServer, httpServer } from "../../support/http-server.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";

const opened: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A gateway whose operator has a service that answers so. */
async function verifiedBy(
  answer: (response: ServerResponse, token: string) => void,
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly door: FrontDoor; readonly service: HttpServer }> {
  const service = await httpServer((_, response) => {
    const { token } = JSON.parse(service.seen.at(-1)?.body ?? "{}") as { token: string };
    answer(response, token);
  });
  opened.push(service);
  const door = await openFrontDoor({ EXTERNAL_AUTH_VERIFY_URL: `${service.url}/verify`, ...more });
  opened.push(door);
  return { door, service };
}

describe("the service that verifies tokens", () => {
  test.each([
    ['{"user":{"id":"user123","name":"Test User"}}', "external:user123", Audience.TASKS_API],
    ['{"sub":"user123","id":"other"}', "external:user123", Audience.TASKS_API],
    ['{"id":42}', "external:42", Audience.TASKS_API],
    ['{"user":{"sub":"boss","isAdmin":true}}', "external:boss", Audience.ADMIN_API],
    ['{"user":{"sub":"boss","isAdmin":"yes"}}', "external:boss", Audience.TASKS_API],
  ])("lets a user in by answering %s", async (body, clientId, audience) => {
    const { door } = await verifiedBy((response) => response.end(body));
    expect(await door.whoIs("opaque-1")).toMatchObject({ client: { clientId, audience } });
  });

  test("is shown the token and the secret, once for all who show that token at once", async () => {
    const { door, service } = await verifiedBy((response) => response.end('{"id":"a"}'), {
      EXTERNAL_AUTH_SECRET: "what the service knows us by",
    });
    await Promise.all(Array.from({ length: 20 }, () => door.whoIs("opaque-1")));
    await door.whoIs("opaque-1");
    expect(service.seen.map(({ method, path, body }) => [method, path, JSON.parse(body)])).toEqual([
      ["POST", "/verify", { token: "opaque-1", secret: "what the service knows us by" }],
    ]);
  });

  test("is asked about each token by itself", async () => {
    const { door } = await verifiedBy((response, token) => response.end(JSON.stringify({ id: token })));
    const known = await Promise.all(["opaque-1", "opaque-2"].map((token) => door.whoIs(token)));
    expect(known).toMatchObject([
      { client: { clientId: "external:opaque-1" } },
      { client: { clientId: "external:opaque-2" } },
    ]);
  });

  test("never makes its users one of our clients", async () => {
    const { door } = await verifiedBy((response) => response.end('{"id":"tasks-1"}'));
    await door.addClient("tasks-1");
    expect(await door.whoIs("opaque-1")).toMatchObject({ client: { clientId: "external:tasks-1", uid: "" } });
  });

  test.each([
    [401, '{"detail":"Invalid token"}'],
    [404, ""],
    [200, "{}"],
    [200, "not JSON"],
    [200, '{"user":null}'],
    [200, '{"user":{"id":""}}'],
  ])("refuses by answering %i %s, and is not asked again at once", async (status, body) => {
    const { door, service } = await verifiedBy((response) => response.writeHead(status).end(body));
    expect(await door.whoIs("opaque-1")).toBe("TOKEN_INVALID");
    expect(await door.whoIs("opaque-1")).toBe("TOKEN_INVALID");
    expect(service.seen).toHaveLength(1);
  });

  test.each([500, 302, 429])("says neither by answering %i, and is asked again", async (status) => {
    const { door, service } = await verifiedBy((response) => response.writeHead(status).end());
    expect(await door.whoIs("opaque-1")).toBe("SERVICE_UNAVAILABLE");
    expect(await door.whoIs("opaque-1")).toBe("SERVICE_UNAVAILABLE");
    expect(service.seen).toHaveLength(2);
  });

  test("is missed and not taken for a refusal when nobody can reach it", async () => {
    const { door, service } = await verifiedBy(() => undefined);
    await service[Symbol.asyncDispose]();
    opened.splice(opened.indexOf(service), 1);
    expect(await door.whoIs("opaque-1")).toBe("SERVICE_UNAVAILABLE");
  });

  test("is not shown tokens of ours, also when they are no good any more", async () => {
    const { door, service } = await verifiedBy((response) => response.end('{"id":"a"}'));
    expect(await door.whoIs(door.managerToken)).toMatchObject({ client: { audience: Audience.CLIENTS_API } });
    await door.addClient("gone", "the secret of gone");
    const { accessToken } = await door
      .as("")
      .issueToken({ clientId: "gone", clientSecret: "the secret of gone" });
    await door.as(door.managerToken).deleteClient({ clientId: "gone" });
    expect(await door.whoIs(accessToken)).toBe("TOKEN_REVOKED");
    expect(service.seen).toEqual([]);
  });
});

test("the Waldiez runner's variables name the service as well", async () => {
  const service = await httpServer((_, response) => response.end('{"id":"a"}'));
  opened.push(service);
  const door = await openFrontDoor({
    WALDIEZ_RUNNER_ENABLE_EXTERNAL_AUTH: "true",
    WALDIEZ_RUNNER_EXTERNAL_AUTH_VERIFY_URL: service.url,
    WALDIEZ_RUNNER_EXTERNAL_AUTH_SECRET: "s1",
  });
  opened.push(door);
  expect(await door.whoIs("opaque-1")).toMatchObject({ client: { clientId: "external:a" } });
  expect(service.seen.map(({ body }) => JSON.parse(body))).toEqual([{ token: "opaque-1", secret: "s1" }]);
});

test("without a service or an issuer no other token is good", async () => {
  const door = await openFrontDoor();
  opened.push(door);
  expect(await door.whoIs("opaque-1")).toBe("TOKEN_INVALID");
});
