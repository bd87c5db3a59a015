import { chmod, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { readClientsFile, writeClientsFile } from "./clients-file.ts";

const clients = [
  { client_id: "tasks-1", client_secret: "s", audience: "tasks-api", name: "local tasks-api" },
] as const;

describe("the clients' file", () => {
  test("holds what was written, for its owner only, and nothing is left beside it", async () => {
    await using folder = await temporaryFolder("clients");
    const path = join(folder.path, "clients.json");
    await writeClientsFile(path, clients);
    expect(await readClientsFile(path)).toEqual(clients);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder.path)).toEqual(["clients.json"]);
  });

  test("is for its owner only also where an open one was", async () => {
    await using folder = await temporaryFolder("clients");
    const path = join(folder.path, "clients.json");
    await writeFile(path, "[]");
    await chmod(path, 0o644);
    await writeClientsFile(path, clients);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("may be missing", async () => {
    await using folder = await temporaryFolder("clients");
    expect(await readClientsFile(join(folder.path, "clients.json"))).toEqual([]);
  });

  test.each(["{", "{}", '[{"client_id": "hunter2"}]'])(
    "is refused by name and not quoted when it is not of its form (%#)",
    async (text) => {
      await using folder = await temporaryFolder("clients");
      const path = join(folder.path, "clients.json");
      await writeFile(path, text);
      await expect(readClientsFile(path)).rejects.toThrow(/clients\.json: it is no list of clients/);
      await expect(readClientsFile(path)).rejects.not.toThrow(/hunter2/);
    },
  );
});
