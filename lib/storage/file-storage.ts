import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { keyParts, type Storage } from "./storage.ts";

/** A link that the file system does not make: across devices, of a kind that has none, or one too many. */
const notLinkable: ReadonlySet<string | undefined> = new Set([
  "EXDEV",
  "EPERM",
  "ENOTSUP",
  "ENOSYS",
  "EMLINK",
]);

/** Keeps files below a folder of its own, which several processes may share. What a crash leaves half-written is below `.partial` and never read. */
export function fileStorage(directory: string): Storage {
  const pathOf = (key: string): string => join(directory, ...keyParts(key));
  const storage: Storage = {
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

    async copy(from, to) {
      const path = pathOf(to);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        // A file is never changed, only replaced, so both names may mean one.
        await link(pathOf(from), path);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOENT") return false;
        if (code === "EEXIST") return true;
        if (!notLinkable.has(code)) throw error;
        const content = await storage.get(from);
        if (content === undefined) return false;
        await storage.put(to, content);
      }
      await syncFolder(dirname(path));
      return true;
    },

    async remove(prefix) {
      await rm(pathOf(prefix), { recursive: true, force: true });
    },
  };
  return storage;
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
