import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findLocalServer } from "./local-server.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "antiphon-local-"));
});

afterEach(() => rm(folder, { recursive: true }));

describe("findLocalServer", () => {
  test("finds the nearest data folder above, with url and clients", async () => {
    await dataFolder(join(folder, ".antiphon"), { url: "http://127.0.0.1:8000", pid: 1 });
    const from = join(folder, "a", "b");
    await mkdir(from, { recursive: true });
    expect(await findLocalServer({ dataDirectory: undefined, from })).toEqual({
      dataDirectory: join(folder, ".antiphon"),
      url: "http://127.0.0.1:8000",
      pid: 1,
      clients: [{ clientId: "c1", clientSecret: "s1", audience: "tasks-api" }],
    });
  });

  test("looks nowhere else when a data folder is named", async () => {
    await dataFolder(join(folder, ".antiphon"), { url: "http://127.0.0.1:8000", pid: 1 });
    expect(await findLocalServer({ dataDirectory: "other", from: folder })).toBeUndefined();
  });

  test("knows the clients of a server that does not run", async () => {
    await dataFolder(join(folder, "data"), undefined);
    expect(await findLocalServer({ dataDirectory: "data", from: folder })).toMatchObject({
      url: undefined,
      clients: [{ clientId: "c1" }],
    });
  });
});

async function dataFolder(path: string, server: object | undefined): Promise<void> {
  await mkdir(path, { recursive: true });
  const clients = [{ client_id: "c1", client_secret: "s1", audience: "tasks-api", name: "local" }];
  await writeFile(join(path, "clients.json"), JSON.stringify(clients));
  if (server !== undefined) await writeFile(join(path, "server.json"), JSON.stringify(server));
}
