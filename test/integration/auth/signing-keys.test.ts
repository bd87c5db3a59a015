import { decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { AuthWorld, firstClient, managerAt, type Replica, refused } from "./auth-world.ts";

let world: AuthWorld;

beforeEach(async () => {
  world = await AuthWorld.open();
});
afterEach(() => world[Symbol.asyncDispose]());

async function tokenOf(replica: Replica): Promise<string> {
  return (await replica.as().issueToken(await firstClient(replica, "tasks-api"))).accessToken;
}

const keyOf = (token: string) => decodeProtectedHeader(token).kid;
const published = async ({ running }: Replica) => (await running.fetchKeys()).keys.map(({ kid }) => kid);

/** As if all keys had been made that much earlier. */
async function age(interval: string): Promise<void> {
  await world.db.query(sql`update auth.signing_key set signs_at = signs_at - ${interval}::interval`);
}

describe("a signing key that takes another's place", () => {
  test("is published first, and signs when all have had time to learn it", async () => {
    const [first, second] = [await world.start(), await world.start()];
    const before = await tokenOf(first);
    const { keyId, signsAt } = await (await managerAt(first, "admin-api")).rotateSigningKey({});
    const minutes = (Number(signsAt?.seconds) * 1_000 - Date.now()) / 60_000;
    expect(Math.round(minutes)).toBe(15);
    expect(await published(second)).toEqual([keyId, keyOf(before)]);
    expect(keyOf(await tokenOf(first))).toBe(keyOf(before));

    await age("16 minutes");
    const later = await world.start();
    const after = await tokenOf(later);
    expect(keyOf(after)).toBe(keyId);
    expect(await later.refusalOf(before)).toBeUndefined();
    expect(await later.refusalOf(after)).toBeUndefined();
  });

  test("is made once, however many ask at once", async () => {
    const [first, second] = [await world.start(), await world.start()];
    const admins = [await managerAt(first, "admin-api"), await managerAt(second, "admin-api")];
    const made = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => await admins[index % 2]?.rotateSigningKey({})),
    );
    expect(new Set(made.map((key) => key?.keyId)).size).toBe(1);
    expect(await published(first)).toHaveLength(2);
  });

  test("comes by itself when the other is old", async () => {
    const first = await world.start();
    const before = keyOf(await tokenOf(first));
    await age("31 days");
    const [second, third] = [await world.start(), await world.start()];
    await until("there is another key", async () => (await published(second)).length === 2);
    expect((await published(third)).at(-1)).toBe(before);
    expect(keyOf(await tokenOf(second))).toBe(before);
  });

  test("makes it go when all that it signed has expired, and not before", async () => {
    const first = await world.start();
    const { keyId } = await (await managerAt(first, "admin-api")).rotateSigningKey({});
    await age("24 hours");
    await world.start();
    expect(await published(first)).toHaveLength(2);
    await age("17 minutes");
    await world.start();
    await until("the old key is gone", async () => (await published(first)).length === 1);
    expect(await published(first)).toEqual([keyId]);
  });

  test("is asked for by an admin only", async () => {
    const replica = await world.start();
    expect(await refused((await managerAt(replica)).rotateSigningKey({}))).toBe("WRONG_AUDIENCE");
  });
});
