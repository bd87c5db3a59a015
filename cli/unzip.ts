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
import { type Entry, openPromise } from "yauzl";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

const mostEntries = 10_000;
const mostBytes = 4 * 1024 ** 3;

/** The type of a file in the upper half of what Unix notes about an entry. */
const fileTypeMask = 0o170000;
const plainTypes = new Set([0, 0o100000, 0o040000]);

/** Takes an archive apart into a folder, made when missing, and answers the paths of its files below it. Throws CommandFailure when the folder has something in it, or the archive is not one that we trust. */
export async function unzip(archive: string, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new CommandFailure(`${folder} is not empty`, {
      exitCode: exitCode.usage,
      reason: "FOLDER_NOT_EMPTY",
      hint: "name another with -o",
    });
  }
  const zip = await openPromise(archive, { strictFileNames: true }).catch((error: unknown) => {
    throw refused(error instanceof Error ? error.message : String(error));
  });
  try {
    if (zip.entryCount > mostEntries) throw refused(`it has more than ${mostEntries} entries`);
    const budget = { bytes: mostBytes };
    const paths: string[] = [];
    for await (const entry of zip.eachEntry()) {
      const path = join(folder, pathOf(entry));
      if (entry.fileName.endsWith("/")) {
        await mkdir(path, { recursive: true });
        continue;
      }
      await mkdir(dirname(path), { recursive: true });
      await pipeline(
        await zip.openReadStreamPromise(entry),
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

function pathOf({ fileName, externalFileAttributes }: Entry): string {
  if (!plainTypes.has((externalFileAttributes >>> 16) & fileTypeMask))
    throw refused(`${fileName} is no plain file`);
  return fileName;
}

function within(budget: { bytes: number }): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) done(refused(`it holds more than ${mostBytes} bytes`));
      else done(null, chunk);
    },
  });
}

function refused(why: string): CommandFailure {
  return new CommandFailure(`the archive is refused: ${why}`, {
    exitCode: exitCode.failed,
    reason: "ARCHIVE_REFUSED",
  });
}
