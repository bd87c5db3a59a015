import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TemporaryFolder, temporaryFolder } from "../../test/support/temporary-folder.ts";
import { fileStorage } from "./file-storage.ts";
import type { Storage } from "./storage.ts";

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe("a storage of files", () => {
  let folder: TemporaryFolder;
  let storage: Storage;

  beforeAll(async () => {
    folder = await temporaryFolder("storage");
    storage = fileStorage(folder.path);
  });
  afterAll(async () => await folder[Symbol.asyncDispose]());

  async function textOf(key: string): Promise<string | undefined> {
    const content = await storage.get(key);
    if (content === undefined) return undefined;
    let text = "";
    for await (const chunk of content) text += Buffer.from(chunk).toString();
    return text;
  }

  test("removes what is below a prefix, and nothing beside it", async () => {
    for (const key of ["a/b/1", "a/b/c/2", "a/bc/3"]) await storage.put(key, pieces("x"));
    await storage.remove("a/b");
    await storage.remove("a/b");
    expect(await Promise.all(["a/b/1", "a/b/c/2", "a/bc/3"].map(textOf))).toEqual([
      undefined,
      undefined,
      "x",
    ]);
  });

  test("keeps a copy when the original is replaced or removed", async () => {
    await storage.put("from/1", pieces("o", "ne"));
    expect(await storage.copy("from/1", "to/1")).toBe(true);
    expect(await storage.copy("from/1", "to/1")).toBe(true);
    await storage.put("from/1", pieces("two"));
    expect(await textOf("to/1")).toBe("one");
    await storage.remove("from");
    expect(await textOf("to/1")).toBe("one");
    expect(await storage.copy("from/1", "to/2")).toBe(false);
  });
});
