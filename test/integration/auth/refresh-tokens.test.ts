import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Audience } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { AuthWorld, type Credentials, firstClient, managerAt, type Replica, refused } from "./auth-world.ts";

const worlds = new AsyncDisposableStack();
let world: AuthWorld;
let first: Replica;
let second: Replica;
let credentials: Credentials;

beforeAll(async () => {
  world = worlds.use(await AuthWorld.open());
  first = await world.start();
  second = await world.start();
  credentials = await firstClient(first, "tasks-api");
});
afterAll(() => worlds.disposeAsync());

const issue = (scopes: string[] = []) => first.as().issueToken({ ...credentials, scopes });
const refresh = (refreshToken: string, replica = first) => replica.as().refreshToken({ refreshToken });

/** As if all that was used until now had been used that much earlier. */
async function age(seconds: number): Promise<void> {
  await world.db.query(
    sql`update auth.refresh_token set used_at = used_at - ${seconds} * interval '1 second'`,
  );
}

describe("a refresh token", () => {
  test("is exchanged for new tokens of the same client, for a day", async () => {
    const issued = await issue();
    const refreshed = await refresh(issued.refreshToken);
    expect(refreshed.audience).toBe(Audience.TASKS_API);
    expect(refreshed.refreshToken).not.toBe(issued.refreshToken);
    const me = await first.as(refreshed.accessToken).whoAmI({});
    expect(me.client?.clientId).toBe(credentials.clientId);
    const hoursLeft = (Number(refreshed.refreshExpiresAt?.seconds) - Date.now() / 1_000) / 3_600;
    expect(Math.round(hoursLeft)).toBe(24);
    await refresh(refreshed.refreshToken, second);
  });

  test("leaves the access token before good", async () => {
    const issued = await issue();
    await refresh(issued.refreshToken);
    expect(await first.refusalOf(issued.accessToken)).toBeUndefined();
  });

  test("that is shown again takes back all that came of the same IssueToken", async () => {
    const issued = await issue();
    const other = await issue();
    const refreshed = await refresh(issued.refreshToken);
    await age(11);
    expect(await refused(refresh(issued.refreshToken))).toBe("TOKEN_REVOKED");
    expect(await refused(refresh(refreshed.refreshToken))).toBe("TOKEN_REVOKED");
    for (const { accessToken } of [issued, refreshed])
      expect(await first.refusalOf(accessToken)).toBe("TOKEN_REVOKED");
    expect(await first.refusalOf(other.accessToken)).toBeUndefined();
    await refresh(other.refreshToken);
    const admin = await managerAt(first, "admin-api");
    const { entries } = await admin.listAuditEntries({ clientId: credentials.clientId });
    expect(entries.map(({ action }) => action)).toContain("refresh_token_reused");
  });

  test("that is shown again at once, because its answer got lost, gives good tokens of the same family", async () => {
    const issued = await issue();
    const [lost, repeated] = [await refresh(issued.refreshToken), await refresh(issued.refreshToken, second)];
    await refresh(repeated.refreshToken);
    expect(await first.refusalOf(lost.accessToken)).toBeUndefined();
    await age(11);
    expect(await refused(refresh(issued.refreshToken))).toBe("TOKEN_REVOKED");
    for (const { accessToken } of [lost, repeated])
      expect(await first.refusalOf(accessToken)).toBe("TOKEN_REVOKED");
  });

  test("that many show at once, at two processes, gives each of them good tokens", async () => {
    const issued = await issue();
    const replicas = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? first : second));
    const pairs = await Promise.all(replicas.map((replica) => refresh(issued.refreshToken, replica)));
    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(20);
    for (const { accessToken, refreshToken } of pairs) {
      expect(await second.refusalOf(accessToken)).toBeUndefined();
      await refresh(refreshToken);
    }
  });

  test("that a thief and its owner show at once ends for both, whoever comes first", async () => {
    const issued = await issue();
    const { refreshToken } = await refresh(issued.refreshToken);
    await age(11);
    const outcomes = await Promise.allSettled([
      refresh(refreshToken, first),
      refresh(issued.refreshToken, second),
      refresh(refreshToken, second),
    ]);
    expect(outcomes[1].status).toBe("rejected");
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") continue;
      expect(await refused(refresh(outcome.value.refreshToken))).toBe("TOKEN_REVOKED");
      await until(
        "the first process knows",
        async () => (await first.refusalOf(outcome.value.accessToken)) === "TOKEN_REVOKED",
      );
    }
  });

  test("gives fewer scopes when fewer are asked for, and all of its own again the next time", async () => {
    const issued = await issue(["read", "answer"]);
    const asked = { refreshToken: issued.refreshToken, scopes: ["read"] };
    const narrow = await first.as().refreshToken(asked);
    expect(narrow.scopes).toEqual(["read"]);
    expect((await refresh(narrow.refreshToken)).scopes).toEqual(["read", "answer"]);
  });

  test("is not used up by a request for what it can not give", async () => {
    const { refreshToken } = await issue(["read"]);
    const wide = first.as().refreshToken({ refreshToken, scopes: ["read", "write"] });
    expect(await refused(wide)).toBe("FIELD_INVALID");
    const foreign = first.as().refreshToken({ refreshToken, audience: Audience.ADMIN_API });
    expect(await refused(foreign)).toBe("FIELD_INVALID");
    await age(11);
    await first.as().refreshToken({ refreshToken, audience: Audience.TASKS_API });
  });

  test("is refused when it has expired, and when nobody issued it", async () => {
    const { refreshToken } = await issue();
    await world.db.query(sql`
      update auth.refresh_token set expires_at = now() - interval '1 second'
      where issued_at = (select max(issued_at) from auth.refresh_token)
    `);
    expect(await refused(refresh(refreshToken))).toBe("TOKEN_EXPIRED");
    expect(await refused(refresh(`antr_${"A".repeat(43)}`))).toBe("TOKEN_INVALID");
    expect(await refused(refresh("x".repeat(20_000)))).toBe("FIELD_INVALID");
  });

  test("is no access token, nor the other way round", async () => {
    const { accessToken, refreshToken } = await issue();
    expect(await refused(first.as(refreshToken).whoAmI({}))).toBe("TOKEN_INVALID");
    expect(await refused(refresh(accessToken))).toBe("TOKEN_INVALID");
  });

  test("is in the database only as its digest", async () => {
    const { refreshToken } = await issue();
    const rows = await world.db.query(sql`
      select encode(token_hash, 'escape') as hash, encode(token_hash, 'base64') as encoded from auth.refresh_token
    `);
    expect(JSON.stringify(rows)).not.toContain(refreshToken.slice("antr_".length));
  });
});

describe("a token that is taken back", () => {
  test.each(["accessToken", "refreshToken"] as const)(
    "by its %s is refused at once by the process that took it back, and soon by the other",
    async (which) => {
      const issued = await issue();
      const others = await issue();
      await first.as().revokeToken({ ...credentials, token: issued[which] });
      expect(await first.refusalOf(issued.accessToken)).toBe("TOKEN_REVOKED");
      await until(
        "the other process knows",
        async () => (await second.refusalOf(issued.accessToken)) === "TOKEN_REVOKED",
      );
      expect(await second.refusalOf(others.accessToken)).toBeUndefined();
      const next = await refused(refresh(issued.refreshToken));
      expect(next).toBe(which === "refreshToken" ? "TOKEN_REVOKED" : "nothing: it was answered");
    },
  );

  test("is known to a process that starts later", async () => {
    const issued = await issue();
    await first.as().revokeToken({ ...credentials, token: issued.refreshToken });
    await using late = await world.start();
    expect(await late.refusalOf(issued.accessToken)).toBe("TOKEN_REVOKED");
  });

  test("is no error when it is none, none of the client's, or taken back before", async () => {
    const mine = await issue();
    const workers = await firstClient(first, "workers-api");
    for (const token of [mine.accessToken, mine.refreshToken, "garbage", `antr_${"B".repeat(43)}`])
      await first.as().revokeToken({ ...workers, token });
    expect(await first.refusalOf(mine.accessToken)).toBeUndefined();
    for (let time = 0; time < 2; time++)
      await first.as().revokeToken({ ...credentials, token: mine.refreshToken });
    expect(await first.refusalOf(mine.accessToken)).toBe("TOKEN_REVOKED");
  });
});

describe("introspection", () => {
  test("tells a client about its own tokens", async () => {
    const issued = await issue(["read"]);
    for (const token of [issued.accessToken, issued.refreshToken]) {
      const known = await first.as().introspectToken({ ...credentials, token });
      expect(known).toMatchObject({
        active: true,
        clientId: credentials.clientId,
        audience: Audience.TASKS_API,
        scopes: ["read"],
        refresh: token === issued.refreshToken,
      });
      const expected = known.refresh ? issued.refreshExpiresAt : issued.expiresAt;
      expect(known.expiresAt).toEqual(expected);
    }
  });

  test("tells of others' tokens only who manages clients", async () => {
    const { accessToken: token } = await issue();
    const activeFor = async (audience: Parameters<typeof firstClient>[1]) =>
      (await first.as().introspectToken({ ...(await firstClient(first, audience)), token })).active;
    expect(await activeFor("workers-api")).toBe(false);
    expect(await activeFor("clients-api")).toBe(true);
    expect(await activeFor("admin-api")).toBe(true);
  });

  test("tells who manages clients nothing of an administrator's token", async () => {
    const administrator = await firstClient(first, "admin-api");
    const { accessToken, refreshToken } = await first.as().issueToken(administrator);
    const manager = await firstClient(first, "clients-api");
    for (const token of [accessToken, refreshToken]) {
      expect((await first.as().introspectToken({ ...manager, token })).active).toBe(false);
      expect((await first.as().introspectToken({ ...administrator, token })).active).toBe(true);
    }
  });

  test("finds no token good that was used, taken back, or never issued", async () => {
    const used = await issue();
    await refresh(used.refreshToken);
    const gone = await issue();
    await first.as().revokeToken({ ...credentials, token: gone.refreshToken });
    for (const token of [used.refreshToken, gone.refreshToken, gone.accessToken, "garbage"])
      expect((await first.as().introspectToken({ ...credentials, token })).active).toBe(false);
  });
});

test("what has expired is removed, and nothing else", async () => {
  await using elsewhere = await AuthWorld.open();
  const { db } = elsewhere;
  await using before = await elsewhere.start();
  const client = await firstClient(before, "tasks-api");
  const [old, young] = [await before.as().issueToken(client), await before.as().issueToken(client)];
  await before.as().revokeToken({ ...client, token: old.refreshToken });
  await before.as().revokeToken({ ...client, token: young.accessToken });
  const counts = async () => {
    const [row] = await db.query(sql`
      select (select count(*) from auth.refresh_family) as families,
        (select count(*) from auth.refresh_token) as tokens,
        (select count(*) from auth.revocation) as revocations,
        (select count(*) from auth.audit_entry) as entries
    `);
    return row;
  };
  expect(await counts()).toEqual({ families: 2, tokens: 2, revocations: 2, entries: 4 });
  await db.query(
    sql`update auth.refresh_family set expires_at = now() - interval '1 s' where revoked_at is not null`,
  );
  await db.query(sql`update auth.revocation set expires_at = now() - interval '1 s' where kind = 'family'`);
  await db.query(sql`
    update auth.audit_entry set at = now() - interval '91 days'
    where entry_id = (select min(entry_id) from auth.audit_entry)
  `);
  await using _after = await elsewhere.start();
  await until("the expired rows are gone", async () => (await counts())?.["entries"] === 3);
  expect(await counts()).toEqual({ families: 1, tokens: 1, revocations: 1, entries: 3 });
  await before.as().refreshToken({ refreshToken: young.refreshToken });
});
