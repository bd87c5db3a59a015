import { createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AuthService } from "../../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { logger } from "../../../../lib/log/log.ts";
import type { TokenAudience } from "../../../../lib/rpc/access.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { clients } from "./clients.ts";

const log = logger("gateway", "silent");

const stored = [
  { clientId: "tester", audience: Audience.TASKS_API },
  { clientId: "worker", audience: Audience.WORKERS_API },
];

test.each([
  ["clients-api", ["tester"]],
  ["admin-api", ["tester", "worker"]],
] as const)("lists and counts for %s the clients that are meant for its eyes", async (audience, expected) => {
  const { items, total } = await listedTo(audience);
  expect([items.map((item) => item.client_id), total]).toEqual([expected, expected.length]);
});

async function listedTo(audience: TokenAudience) {
  const transport = createRouterTransport((router) => {
    router.service(AuthService, {
      listClients({ audiences }) {
        const found = stored.filter((client) => audiences.includes(client.audience));
        return { clients: found, total: BigInt(found.length) };
      },
    });
  });
  const verify = async () => ({ ...aCaller(), audience });
  const app = httpApp({
    routes: clients(),
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify,
    tokenFor: () => undefined,
    log,
  });
  await using server = await serve({
    host: "127.0.0.1",
    port: 0,
    services: [],
    fallback: app,
    verify,
    log,
  });
  const answer = await fetch(`${server.url}/api/v1/clients`, { headers: { authorization: "Bearer good" } });
  return (await answer.json()) as { items: { client_id: string }[]; total: number };
}
