import { readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TemporaryFolder, temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { until } from "../../../test/support/until.ts";
import { type AuditEntry, AuditLog } from "./audit-log.ts";

const log = pino({ level: "silent" });

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder("audit");
});
afterAll(() => folder[Symbol.asyncDispose]());

function entry(requestId: string): AuditEntry {
  return {
    at: new Date(0),
    requestId,
    clientId: "c1",
    audience: "tasks-api",
    address: "10.0.0.1",
    action: "s/M",
    target: { task_id: "t1" },
    outcome: "ok",
  };
}

async function linesOf(path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("AuditLog", () => {
  test("adds lines to a file that only its owner may read", async () => {
    const path = join(folder.path, "kept.log");
    for (const requestId of ["r1", "r2"]) {
      await using audit = await AuditLog.open(path, log);
      audit.write(entry(requestId));
    }
    expect(await linesOf(path)).toEqual([
      expect.objectContaining({
        at: "1970-01-01T00:00:00.000Z",
        request_id: "r1",
        target: { task_id: "t1" },
      }),
      expect.objectContaining({ request_id: "r2", client_id: "c1", outcome: "ok", address: "10.0.0.1" }),
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("begins a new file when its file has been moved away or removed", async () => {
    const path = join(folder.path, "moved.log");
    await using audit = await AuditLog.open(path, log);
    audit.write(entry("r1"));
    await until("the line is written", async () => (await linesOf(path)).length === 1);
    await rename(path, `${path}.1`);
    audit.write(entry("r2"));
    await until("a new file is begun", async () => (await linesOf(path)).length === 1);
    await rm(path);
    audit.write(entry("r3"));
    await until("a file is made again", async () => (await linesOf(path)).length === 1);
    expect((await linesOf(`${path}.1`))[0]).toMatchObject({ request_id: "r1" });
    expect((await linesOf(path))[0]).toMatchObject({ request_id: "r3" });
  });

  test("counts what finds no room, and says so in its place", async () => {
    const path = join(folder.path, "full.log");
    {
      await using audit = await AuditLog.open(path, log);
      // All of it before the first line can be written.
      for (let index = 0; index < 25_000; index++) audit.write(entry(String(index)));
    }
    const lines = await linesOf(path);
    const dropped = lines.reduce((sum, line) => sum + Number(line["dropped"] ?? 0), 0);
    expect(dropped).toBeGreaterThan(0);
    expect(lines.filter((line) => line["dropped"] === undefined).length + dropped).toBe(25_000);
  });

  test("does not open where it can not write", async () => {
    await expect(AuditLog.open(join(folder.path, "none", "audit.log"), log)).rejects.toMatchObject({
      code: "ENOENT",
    });
  });
});
