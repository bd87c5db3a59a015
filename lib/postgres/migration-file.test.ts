import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrationFiles } from "./migration-file.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "antiphon-migration-file-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function write(...files: readonly (readonly [name: string, text: string])[]): Promise<void> {
  await Promise.all(files.map(([name, text]) => writeFile(join(directory, name), text)));
}

describe("migrationFiles", () => {
  test("reads the files in the order of their numbers, with their marks", async () => {
    await write(
      ["0002_index.sql", "-- Readers do not notice.\n-- online\ncreate index concurrently a on b (c);\n"],
      ["0001_table.sql", "-- breaking: the column moved \ncreate table b (c int);\n"],
      ["README.md", "not a migration"],
    );
    const files = await migrationFiles(directory);
    expect(
      files.map(({ number, name, isOnline, breaking }) => ({ number, name, isOnline, breaking })),
    ).toEqual([
      { number: 1, name: "0001_table.sql", isOnline: false, breaking: "the column moved" },
      { number: 2, name: "0002_index.sql", isOnline: true, breaking: undefined },
    ]);
  });

  test("refuses a missing number, a double number and a malformed name, naming the file", async () => {
    await write(["0001_a.sql", ""], ["0003_c.sql", ""]);
    await expect(migrationFiles(directory)).rejects.toThrow(/0003_c\.sql: migration 2 was expected/);
    await write(["0002_b.sql", ""], ["0002_bb.sql", ""]);
    await expect(migrationFiles(directory)).rejects.toThrow(/0002_bb\.sql/);
    await write(["0000-short.sql", ""]);
    await expect(migrationFiles(directory)).rejects.toThrow(/0000-short\.sql: a migration is named/);
  });
});
