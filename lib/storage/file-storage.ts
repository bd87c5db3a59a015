import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { keyParts, type Storage } from "./storage.ts";

/** Keeps files below a folder of its own, which several processes may share. What a crash leaves half-written is below `.partial` and never read. */
export function fileStorage(directory: string): Storage {
  const pathOf = (key: string): string => join(directory, ...keyParts(key));
  return {
    async put(key, content) {
      const path = pathOf(key);
      const partial = join(directory, ".partial", randomUUID());
      await mkdir(dirname(partial), { recursive: true, mode: 0o700 });
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        const file = await open(partial, "wx", 0o600);
        await pipeline(content, file.createWriteStream({ flush: true }));
        await rename(partial, path);
        await syncFolder(dirname(path));
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
    },

    async get(key) {
      try {
        const file = await open(pathOf(key), "r");
        return createReadStream("", { fd: file });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },

    async remove(prefix) {
      await rm(pathOf(prefix), { recursive: true, force: true });
    },
  };
}

/** Makes a rename in a folder outlive a power failure. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
