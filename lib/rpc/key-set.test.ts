import { exportJWK, generateKeyPair, type JSONWebKeySet } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { KeySet } from "./key-set.ts";

let keys: JSONWebKeySet;

beforeAll(async () => {
  const { publicKey } = await generateKeyPair("EdDSA", { extractable: true });
  keys = { keys: [{ ...(await exportJWK(publicKey)), kid: "k1", alg: "EdDSA", use: "sig" }] };
});

const named = (kid: string) =>
  [
    { alg: "EdDSA", kid },
    { payload: "", signature: "" },
  ] as const;

describe("KeySet", () => {
  test("fetches once for all who want a key at once, and keeps it", async () => {
    let fetches = 0;
    const set = new KeySet(async () => {
      fetches += 1;
      return keys;
    });
    await Promise.all([set.keyOf(...named("k1")), set.keyOf(...named("k1"))]);
    await set.keyOf(...named("k1"));
    expect(fetches).toBe(1);
  });

  test("does not let tokens with made-up key ids cause a fetch each", async () => {
    let fetches = 0;
    const set = new KeySet(async () => {
      fetches += 1;
      return keys;
    });
    for (const kid of ["a", "b", "c"]) {
      await expect(set.keyOf(...named(kid))).rejects.toMatchObject({ code: "ERR_JWKS_NO_MATCHING_KEY" });
    }
    expect(fetches).toBe(1);
  });

  test("tries again at once while it knows nothing, and says that auth is away meanwhile", async () => {
    let isAway = true;
    const set = new KeySet(async () => {
      if (isAway) throw new Error("connection refused");
      return keys;
    });
    await expect(set.keyOf(...named("k1"))).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    isAway = false;
    await expect(set.keyOf(...named("k1"))).resolves.toBeDefined();
  });

  test("goes on with the keys that it knows while auth is away", async () => {
    let fetches = 0;
    let nowMs = 0;
    const set = new KeySet(
      async () => {
        fetches += 1;
        if (fetches > 1) throw new Error("connection refused");
        return keys;
      },
      { nowMs: () => nowMs },
    );
    await set.keyOf(...named("k1"));
    nowMs = 3_600_000;
    await expect(set.keyOf(...named("k1"))).resolves.toBeDefined();
    expect(fetches).toBe(2);
  });

  test("finds a key that was published after the others", async () => {
    let published: JSONWebKeySet = { keys: [] };
    let nowMs = 0;
    const set = new KeySet(async () => published, { nowMs: () => nowMs });
    await expect(set.keyOf(...named("k1"))).rejects.toMatchObject({ code: "ERR_JWKS_NO_MATCHING_KEY" });
    published = keys;
    nowMs = 6_000;
    await expect(set.keyOf(...named("k1"))).resolves.toBeDefined();
  });
});
