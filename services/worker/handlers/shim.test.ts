import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { installShim } from "./shim.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "antiphon-shim-"));
  await mkdir(join(folder, "source", "antiphon", "__pycache__"), { recursive: true });
  await writeFile(join(folder, "source", "antiphon", "__init__.py"), "one", { mode: 0o600 });
  await writeFile(join(folder, "source", "antiphon", "__pycache__", "x.pyc"), "");
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("installShim", () => {
  test("copies the sources alone, readable for all, once however many ask", async () => {
    const options = { source: join(folder, "source"), directory: folder };
    const installed = await Promise.all([installShim(options), installShim(options), installShim(options)]);
    expect(new Set(installed).size).toBe(1);
    const [shim] = installed;
    expect(await readdir(join(shim, "antiphon"))).toEqual(["__init__.py"]);
    expect((await stat(join(shim, "antiphon", "__init__.py"))).mode & 0o777).toBe(0o644);
    expect((await readdir(join(folder, "shim"))).length).toBe(1);
  });

  test("has another folder for other content", async () => {
    const options = { source: join(folder, "source"), directory: folder };
    const before = await installShim(options);
    await writeFile(join(folder, "source", "antiphon", "__init__.py"), "two");
    expect(await installShim(options)).not.toBe(before);
  });
});
