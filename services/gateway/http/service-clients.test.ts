import { createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { serviceClients } from "./service-clients.ts";

test("each call bears the caller's headers, and the token that is good at that moment", async () => {
  const borne: (string | null)[] = [];
  const transport = createRouterTransport((router) => {
    router.rpc(AuthService.method.whoAmI, (_, { requestHeader }) => {
      borne.push(requestHeader.get("x-request-id"), requestHeader.get("authorization"));
      return {};
    });
  });
  let calls = 0;
  const { auth } = serviceClients(
    { auth: transport, scheduler: transport, taskio: transport },
    new Headers({ "x-request-id": "r1", authorization: "Bearer shown" }),
    async () => `token-${(calls += 1)}`,
  );
  await auth.whoAmI({});
  await auth.whoAmI({});
  expect(borne).toEqual(["r1", "Bearer token-1", "r1", "Bearer token-2"]);
});
