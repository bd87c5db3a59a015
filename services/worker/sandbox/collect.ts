import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir } from "node:fs/promises";
import { Readable } from "node:stream";

/*
 * Reads what a program left behind, which is whatever it wanted to leave.
 *
 *   A1. No process of the program lives, so nothing changes while it is read.
 *   A2. Every folder is opened by its last name only, from the folder above,
 *       without following a link; so is every file. No link leads anywhere.
 *   A3. Only regular files with one name are taken. Devices and FIFOs are not
 *       even opened.
 *   A4. Count, sizes and depth are bounded; what is over a bound is named.
 *   A5. Contents are streamed, never held.
 */

/** The bounds of a collection. */
export interface CollectLimits {
  /** How many files are taken. */
  readonly files: number;
  /** The sum of their sizes. */
  readonly bytes: number;
  /** Folders below an output folder. */
  readonly depth: number;
}

/** What is taken when the caller sets nothing else. */
export const defaultCollectLimits: CollectLimits = { files: 1000, bytes: 256 * 1024 * 1024, depth: 16 };

/** A file that a program left. */
export interface Artifact {
  /** Relative, with `/`, fit to be shown and to be a name in an archive; unique in its collection. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Opens the contents. To be used before the program is disposed. Throws when the file is not what was found. */
  open(): Promise<Readable>;
}

/** Why something that was found is no artifact. */
export type Refusal = "not a plain file" | "linked" | "too deep" | "too many" | "too large" | "unreadable";

/** What a program left. */
export interface Collection {
  readonly artifacts: readonly Artifact[];
  /** The first hundred entries that were not taken. */
  readonly refused: readonly { readonly path: string; readonly why: Refusal }[];
  /** How many were not taken. */
  readonly refusedCount: number;
}

const refusalsKept = 100;

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** The folders in a home that are collected, what their artifacts' paths begin with, and names of files that are left there. */
const outputFolders = [
  { name: "output", prefix: [], leftOut: undefined },
  // Waldiez writes the keys of a flow's models into a module, which Python then compiles, and copies the flow.
  { name: "waldiez_out", prefix: ["waldiez_out"], leftOut: /_api_keys(\.[^.]+)?\.pyc?$|\.waldiez$/ },
] as const;

/** Collects from the home folder at `home`, whose program must have ended. */
export async function collectArtifacts(home: string, limits: CollectLimits): Promise<Collection> {
  const found = new Findings(home, limits);
  for (const { name, prefix, leftOut } of outputFolders) {
    await found.enter({ parent: home, names: [Buffer.from(name)], shown: prefix, depth: 0, leftOut });
  }
  return { artifacts: found.artifacts, refused: found.refused, refusedCount: found.refusedCount };
}

/** A place in the tree. */
interface Place {
  /** A path to the open folder that holds it. */
  readonly parent: string;
  /** From the home folder. */
  readonly names: readonly Buffer[];
  readonly shown: readonly string[];
  readonly depth: number;
  /** Names of files that are not taken, and not named either. */
  readonly leftOut: RegExp | undefined;
}

class Findings {
  readonly artifacts: Artifact[] = [];
  readonly refused: { path: string; why: Refusal }[] = [];
  refusedCount = 0;
  readonly #home: string;
  readonly #limits: CollectLimits;
  readonly #paths = new Set<string>();
  #bytes = 0;

  constructor(home: string, limits: CollectLimits) {
    this.#home = home;
    this.#limits = limits;
  }

  /** Takes all that is in a folder. An output folder that does not exist is empty. */
  async enter(place: Place): Promise<void> {
    const { depth } = place;
    if (depth > this.#limits.depth) return this.#refuse(place, "too deep");
    let folder: FileHandle;
    try {
      folder = await open(pathOf(place), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      const isAbsent = depth === 0 && (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isAbsent) this.#refuse(place, depth === 0 ? "not a plain file" : "unreadable");
      return;
    }
    try {
      const parent = `/proc/self/fd/${folder.fd}`;
      const entries = await readdir(parent, { encoding: "buffer" });
      for (const name of entries.sort((one, other) => one.compare(other))) {
        await this.#take({
          parent,
          names: [...place.names, name],
          shown: [...place.shown, shownName(name)],
          depth: depth + 1,
          leftOut: place.leftOut,
        });
      }
    } catch {
      this.#refuse(place, "unreadable");
    } finally {
      await folder.close();
    }
  }

  async #take(place: Place): Promise<void> {
    const found = await lstat(pathOf(place)).catch(() => undefined);
    if (!found) return this.#refuse(place, "unreadable");
    if (found.isDirectory()) return await this.enter(place);
    if (place.leftOut?.test(place.names.at(-1)?.toString() ?? "")) return;
    if (found.isSymbolicLink() || found.nlink !== 1) return this.#refuse(place, "linked");
    if (!found.isFile()) return this.#refuse(place, "not a plain file");
    if (this.artifacts.length >= this.#limits.files) return this.#refuse(place, "too many");
    if (this.#bytes + found.size > this.#limits.bytes) return this.#refuse(place, "too large");
    this.#bytes += found.size;
    const { dev, ino, size } = found;
    this.artifacts.push({
      path: this.#unique(place.shown.join("/")),
      sizeBytes: size,
      open: async () => await openFile(this.#home, place.names, { dev, ino, size }),
    });
  }

  #refuse(place: Place, why: Refusal): void {
    this.refusedCount += 1;
    if (this.refused.length < refusalsKept)
      this.refused.push({ path: place.shown.join("/") || "output", why });
  }

  #unique(path: string): string {
    let candidate = path;
    for (let copy = 2; this.#paths.has(candidate); copy += 1) candidate = `${path}~${copy}`;
    this.#paths.add(candidate);
    return candidate;
  }
}

/** Opens a file that was found, folder by folder, and makes sure that it is the same. */
async function openFile(
  home: string,
  names: readonly Buffer[],
  expected: { dev: number; ino: number; size: number },
): Promise<Readable> {
  const folders: FileHandle[] = [];
  try {
    let parent = home;
    for (const name of names.slice(0, -1)) {
      const folder = await open(joined(parent, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      folders.push(folder);
      parent = `/proc/self/fd/${folder.fd}`;
    }
    const file = await open(joined(parent, names.at(-1)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const { dev, ino, size } = await file.stat();
    if (dev !== expected.dev || ino !== expected.ino || size !== expected.size) {
      await file.close();
      throw new Error("the file is not the one that was found");
    }
    // An empty file must not be asked for its bytes 0 to -1.
    return size === 0 ? await closedEmpty(file) : file.createReadStream({ start: 0, end: size - 1 });
  } finally {
    for (const folder of folders) await folder.close();
  }
}

async function closedEmpty(file: FileHandle): Promise<Readable> {
  await file.close();
  return Readable.from([]);
}

const pathOf = ({ parent, names }: Place): Buffer => joined(parent, names.at(-1));

/** A path as bytes: a stranger's names need not be text. */
function joined(parent: string, name: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(`${parent}/`), name]);
}

/** A name without what could mislead a reader, a terminal or an archive: control and format characters, a leading dash, a backslash. */
function shownName(name: Buffer): string {
  return name
    .toString("utf8")
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\\]/gu, "_")
    .replace(/^-/, "_");
}
