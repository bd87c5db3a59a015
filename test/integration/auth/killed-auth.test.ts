import { type Client, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import { startAuth } from "./auth-process.ts";

/** How often an auth is killed while its clients refresh. */
const rounds = 3;
const chains = 4;

const client = { clientId: "compose-tasks", clientSecret: "correct horse" };

test("no client loses its tokens to the kill of an auth in the middle of refreshing them", async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await freshDatabase());
  const env = {
    DATABASE_URL: database.url,
    ANTIPHON_SECRET_KEY: "the secret of this installation",
    ANTIPHON_TASKS_CLIENT_ID: client.clientId,
    ANTIPHON_TASKS_CLIENT_SECRET: client.clientSecret,
  };
  const stays = stack.use(await startAuth(env));
  const other = clientAt(stays.url, stack);
  const held = await Promise.all(
    Array.from({ length: chains }, async () => (await other.issueToken(client)).refreshToken),
  );

  for (let round = 0; round < rounds; round++) {
    const killed = stack.use(await startAuth(env));
    const doomed = clientAt(killed.url, stack);
    let refreshed = 0;
    const goes = held.map(async (refreshToken, chain) => {
      for (;;) {
        const next: string = await doomed.refreshToken({ refreshToken: held[chain] ?? refreshToken }).then(
          (answer) => answer.refreshToken,
          () => "",
        );
        // Its answer is lost; whether the exchange was committed nobody knows.
        if (next === "") return;
        held[chain] = next;
        refreshed += 1;
        if (refreshed === chains * 5 + round) await killed[Symbol.asyncDispose]();
      }
    });
    await Promise.all(goes);
    expect(refreshed).toBeGreaterThanOrEqual(chains * 5 + round);
    // The repeat, at another process.
    for (const [chain, refreshToken] of held.entries())
      held[chain] = (await other.refreshToken({ refreshToken })).refreshToken;
  }

  await using db = new Database(database.url);
  const [families] = await db.query(sql`
    select count(*) as families, count(revoked_at) as revoked from auth.refresh_family
  `);
  expect(families).toEqual({ families: chains, revoked: 0 });
});

function clientAt(url: string, stack: AsyncDisposableStack): Client<typeof AuthService> {
  return createClient(AuthService, stack.use(networkTransport({ url })));
}
