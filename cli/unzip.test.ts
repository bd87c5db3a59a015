import { createWriteStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ZipFile } from "yazl";
import { unzip } from "./unzip.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "antiphon-unzip-"));
});

afterEach(() => rm(folder, { recursive: true }));

describe("unzip", () => {
  test("takes files out into a new folder and answers their paths", async () => {
    const archive = await archiveOf((zip) => {
      zip.addBuffer(Buffer.from("one"), "a.txt");
      zip.addBuffer(Buffer.from("two"), "deep/er/b.txt");
      zip.addEmptyDirectory("empty");
    });
    const target = join(folder, "out");
    expect((await unzip(archive, target)).sort()).toEqual(["a.txt", "deep/er/b.txt"]);
    expect(await readFile(join(target, "deep/er/b.txt"), "utf8")).toBe("two");
    expect((await readdir(target)).sort()).toEqual(["a.txt", "deep", "empty"]);
  });

  test("refuses a folder that has something in it", async () => {
    const archive = await archiveOf((zip) => zip.addBuffer(Buffer.from("one"), "a.txt"));
    await expect(unzip(archive, folder)).rejects.toMatchObject({ reason: "FOLDER_NOT_EMPTY" });
  });

  test.each(["../evil", "/evil"])("refuses an archive with %s", async (path) => {
    const plain = "x".repeat(path.length);
    const archive = await archiveOf((zip) => zip.addBuffer(Buffer.from("one"), plain));
    const bytes = (await readFile(archive)).toString("latin1").replaceAll(plain, path);
    await writeFile(archive, bytes, "latin1");
    await expect(unzip(archive, join(folder, "out"))).rejects.toMatchObject({ reason: "ARCHIVE_REFUSED" });
    expect(await readdir(folder)).not.toContain("evil");
  });

  test("refuses an archive with a link", async () => {
    const archive = await archiveOf((zip) =>
      zip.addBuffer(Buffer.from("/etc/passwd"), "link", { mode: 0o120777 }),
    );
    await expect(unzip(archive, join(folder, "out"))).rejects.toMatchObject({ reason: "ARCHIVE_REFUSED" });
  });

  test("refuses what is no archive", async () => {
    const archive = join(folder, "no.zip");
    await writeFile(archive, "hello");
    await expect(unzip(archive, join(folder, "out"))).rejects.toMatchObject({ reason: "ARCHIVE_REFUSED" });
  });
});

async function archiveOf(fill: (zip: ZipFile) => void): Promise<string> {
  const zip = new ZipFile();
  fill(zip);
  zip.end();
  const path = join(folder, "archive.zip");
  await pipeline(zip.outputStream, createWriteStream(path));
  return path;
}
