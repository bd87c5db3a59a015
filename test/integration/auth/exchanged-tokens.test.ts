import { afterAll, beforeAll, expect, test } from "vitest";
import { Audience } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { allScopes } from "../../../lib/rpc/access.ts";
import type { TokenGrant } from "../../../services/auth/access-token.ts";
import { exchangedTokens } from "../../../services/auth/federation/exchanged-tokens.ts";
import { AuthWorld, managerAt } from "./auth-world.ts";

const worlds = new AsyncDisposableStack();
let world: AuthWorld;

beforeAll(async () => {
  world = worlds.use(await AuthWorld.open());
});
afterAll(() => worlds.disposeAsync());

// It would not be hit by what takes back the tokens of a client that loses a scope: it comes after that.
test("a token that is given for another one has no scope that its client lost meanwhile", async () => {
  const manager = await managerAt(await world.start());
  const clientId = "alice";
  await manager.createClient({ clientId, audience: Audience.TASKS_API });
  const before: TokenGrant = { clientId, audience: "tasks-api", scopes: allScopes };
  await manager.updateClient({ client: { clientId, scopes: ["read"] }, updateMask: { paths: ["scopes"] } });

  const signed: TokenGrant[] = [];
  const issue = exchangedTokens({
    db: world.db,
    sign: async (grant, { issuedAt }) => {
      signed.push(grant);
      return { token: "", expiresAt: issuedAt };
    },
  });
  await issue({ grant: before, isRegistered: true, lifetimeMs: 60_000, address: "" });
  expect(signed).toEqual([{ ...before, scopes: ["read"] }]);
});
