/*
 * Takes an archive apart into a folder.
 *
 *   U1. The folder is new or empty, so nothing in it can lead out of it.
 *   U2. Only plain files and folders are taken out: an archive with a link, an
 *       absolute path or `..` is refused. (yauzl refuses such paths itself.)
 *   U3. Entries and bytes are bounded by what comes out, and not by what the
 *       archive says of itself.
 */
import { createWriteStream } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

const mostEntries = 10_000;
const mostBytes = 4 * 1024 ** 3;

/** The type of a file in the upper half of what Unix notes about an entry. */
const fileTypeMask = 0o170000;
const plainTypes = new Set([0, 0o100000, 0o040000]);

/** Takes an archive apart into a folder, made when missing and there is something to put into it, and answers the paths of its files below it. Throws CommandFailure when the folder has something in it, or the archive is not one that we trust. */
export async function unzip(archive: string, folder: string): Promise<string[]> {
  if (!(await isFree(folder))) {
    throw new CommandFailure(`${folder} is not empty`, {
      exitCode: exitCode.usage,
      reason: "FOLDER_NOT_EMPTY",
      hint: "name another with --to",
    });
  }
  const zip = await openPromise(archive, { strictFileNames: true, autoClose: false }).catch(refuse);
  try {
    const entries = await checkedEntries(zip).catch(refuse);
    const budget = { bytes: mostBytes };
    if (entries.length > 0) await mkdir(folder, { recursive: true });
    const paths: string[] = [];
    for (const entry of entries) {
      const path = join(folder, entry.fileName);
      await mkdir(entry.fileName.endsWith("/") ? path : dirname(path), { recursive: true });
      if (entry.fileName.endsWith("/")) continue;
      await pipeline(
        await zip.openReadStreamPromise(entry).catch(refuse),
        within(budget),
        createWriteStream(path, { flags: "wx" }),
      );
      paths.push(entry.fileName);
    }
    return paths;
  } finally {
    zip.close();
  }
}

async function isFree(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

/** All that is in the archive, looked at before anything is taken out. */
async function checkedEntries(zip: ZipFile): Promise<Entry[]> {
  if (zip.entryCount > mostEntries) throw new Error(`it has more than ${mostEntries} entries`);
  const entries: Entry[] = [];
  for await (const entry of zip.eachEntry()) {
    const type = (entry.externalFileAttributes >>> 16) & fileTypeMask;
    if (!plainTypes.has(type)) throw new Error(`${entry.fileName} is no plain file`);
    entries.push(entry);
  }
  return entries;
}

function within(budget: { bytes: number }): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) done(new Error(`the archive holds more than ${mostBytes} bytes`));
      else done(null, chunk);
    },
  });
}

function refuse(cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new CommandFailure(`the archive is refused: ${why}`, {
    exitCode: exitCode.failed,
    reason: "ARCHIVE_REFUSED",
    cause,
  });
}
