import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findRedisServer } from "./find-redis-server.ts";

describe("findRedisServer", () => {
  let first: string;
  let second: string;
  beforeEach(async () => {
    first = await mkdtemp(join(tmpdir(), "antiphon-find-test-"));
    second = await mkdtemp(join(tmpdir(), "antiphon-find-test-"));
  });
  afterEach(async () => {
    await Promise.all([first, second].map((folder) => rm(folder, { recursive: true })));
  });

  const program = async (path: string, mode = 0o755): Promise<string> => {
    await writeFile(path, "#!/bin/sh\n");
    await chmod(path, mode);
    return path;
  };

  test("prefers a redis-server to a valkey-server, wherever it stands", async () => {
    const valkey = await program(join(first, "valkey-server"));
    expect(await findRedisServer(`${first}${delimiter}${second}`)).toBe(valkey);
    const redis = await program(join(second, "redis-server"));
    expect(await findRedisServer(`${first}${delimiter}${second}`)).toBe(redis);
  });

  test("finds none where there is no such program, or none that may be run", async () => {
    await program(join(first, "redis-server"), 0o644);
    expect(await findRedisServer(`${first}${delimiter}${second}${delimiter}`)).toBeUndefined();
    expect(await findRedisServer("")).toBeUndefined();
  });
});
