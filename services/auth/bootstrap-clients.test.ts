import { describe, expect, test } from "vitest";
import { aStoredClient } from "../../test/support/a-stored-client.ts";
import { bootstrapClients, presetClients } from "./bootstrap-clients.ts";
import type { ClientStore, StoredClient } from "./client-store.ts";
import { SecretHash } from "./secret-hash.ts";

const audiences = ["tasks-api", "clients-api", "admin-api", "workers-api"];

/** A store in memory. */
function needs() {
  const rows = new Map<string, StoredClient>();
  const clients: Pick<ClientStore, "find" | "add" | "restore"> = {
    find: async (clientId) => rows.get(clientId),
    add: async (client, secretHash) => {
      if (rows.has(client.clientId)) return undefined;
      const row = aStoredClient({ ...client, secretHash });
      rows.set(client.clientId, row);
      return row;
    },
    restore: async (clientId, secretHash) => {
      const row = rows.get(clientId);
      if (row !== undefined) rows.set(clientId, { ...row, secretHash, isDisabled: false, isDeleted: false });
    },
  };
  return { rows, clients, secretHash: new SecretHash() };
}

describe("bootstrapClients", () => {
  test("makes one client for each audience at the first start", async () => {
    const with_ = needs();
    const made = await bootstrapClients(with_, { presets: [], known: [] });
    expect(made.map(({ audience }) => audience)).toEqual(audiences);
    for (const { client_id, client_secret } of made) {
      expect(await with_.secretHash.matches(client_secret, with_.rows.get(client_id)?.secretHash)).toBe(true);
    }
  });

  test("makes none when all that are known are good", async () => {
    const with_ = needs();
    const made = await bootstrapClients(with_, { presets: [], known: [] });
    expect(await bootstrapClients(with_, { presets: [], known: made })).toEqual(made);
    expect(with_.rows.size).toBe(4);
  });

  test("makes new ones in place of those whose secrets or records are lost", async () => {
    const with_ = needs();
    const [tasks, ...others] = await bootstrapClients(with_, { presets: [], known: [] });
    if (tasks === undefined) throw new Error("none was made");
    const forgotten = await bootstrapClients(with_, { presets: [], known: others });
    expect(forgotten[0]?.client_id).not.toBe(tasks.client_id);
    expect(forgotten.slice(1)).toEqual(others);
    const changed = [{ ...tasks, client_secret: "another" }, ...others];
    const replaced = await bootstrapClients(with_, { presets: [], known: changed });
    expect(replaced[0]?.client_id).not.toBe(tasks.client_id);
    const [elsewhere] = await bootstrapClients(needs(), { presets: [], known: [tasks] });
    expect(elsewhere?.client_id).not.toBe(tasks.client_id);
  });

  test("answers the preset client of an audience in place of one of its own", async () => {
    const with_ = needs();
    const presets = [{ clientId: "local", clientSecret: "chosen", audience: "clients-api" as const }];
    await presetClients(with_, presets);
    const answered = await bootstrapClients(with_, { presets, known: [] });
    expect(answered[1]).toMatchObject({
      client_id: "local",
      client_secret: "chosen",
      audience: "clients-api",
    });
    expect(with_.rows.size).toBe(4);
  });
});

describe("presetClients", () => {
  const preset = { clientId: "local", clientSecret: "first", audience: "clients-api" } as const;

  test("makes a client, once", async () => {
    const with_ = needs();
    await presetClients(with_, [preset]);
    const stored = with_.rows.get("local");
    await presetClients(with_, [preset]);
    expect(with_.rows.get("local")).toBe(stored);
  });

  test("gives it a new secret when the operator does", async () => {
    const with_ = needs();
    await presetClients(with_, [preset]);
    await presetClients(with_, [{ ...preset, clientSecret: "second" }]);
    expect(await with_.secretHash.matches("first", with_.rows.get("local")?.secretHash)).toBe(false);
    expect(await with_.secretHash.matches("second", with_.rows.get("local")?.secretHash)).toBe(true);
  });

  test("does not turn a client of one audience into one of another", async () => {
    const with_ = needs();
    await presetClients(with_, [preset]);
    const grab = presetClients(with_, [{ ...preset, audience: "tasks-api" }]);
    await expect(grab).rejects.toThrow("the client local is preset for tasks-api and exists for clients-api");
  });
});
