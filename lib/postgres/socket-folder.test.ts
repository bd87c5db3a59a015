import { access, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeSocketFolder, socketFolder } from "./socket-folder.ts";

let data: string;
let link: string;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "antiphon-socket-folder-"));
  link = join(data, "socket");
});

afterEach(async () => {
  await removeSocketFolder(link);
  await rm(data, { recursive: true, force: true });
});

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

describe("socketFolder", () => {
  test("is short, private and found by its link", async () => {
    const folder = await socketFolder(link);
    expect(Buffer.byteLength(join(folder, ".s.PGSQL.5432.lock"))).toBeLessThan(100);
    expect((await stat(link)).mode & 0o777).toBe(0o700);
  });

  test("takes the place of the one that its link named before", async () => {
    const before = await socketFolder(link);
    await socketFolder(link);
    expect(await isThere(before)).toBe(false);
  });

  test("removes folders whose data folder is gone, and no others", async () => {
    const [abandoned, kept] = await Promise.all([
      socketFolder(join(data, "a")),
      socketFolder(join(data, "b")),
    ]);
    await rm(join(data, "a"));
    await socketFolder(link);
    expect(await isThere(abandoned)).toBe(false);
    expect(await isThere(kept)).toBe(true);
    await removeSocketFolder(join(data, "b"));
  });
});
