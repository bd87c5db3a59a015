import { chmod, chown, lstat, mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FileLock } from "../../../lib/process/file-lock.ts";

/*
 * The places in which programs run, one at a time in each.
 *
 *   L1. A slot is a folder and, for a worker that is root, a uid and gid of its
 *       own. Whoever holds the locks of both, and nobody else, runs programs
 *       as that uid, ends its processes and empties its folder. A uid is locked
 *       for the whole machine, because its processes are ended wherever the
 *       folder lies that they were started for.
 *   L2. The kernel holds the lock for the worker's life (see file-lock.ts). A
 *       slot whose lock could be taken therefore has no living owner, and what
 *       is found in it may be ended and removed.
 *   L3. A folder that programs' uids traverse is open to all for traversal
 *       only; a slot's folder is open to its own gid alone.
 */

/** One place for one program. */
export interface Slot {
  /** Unique on the machine among workers of one user. */
  readonly name: string;
  readonly folder: string;
  /** Whom the program runs as. */
  readonly uid: number;
  readonly gid: number;
  /** Whether `uid` is the slot's alone, not the worker's. */
  readonly hasOwnUid: boolean;
}

/** The path of the socket below a slot's folder. */
export const socketName = "channel/ctl.sock";

/** The kernel's bound on the path of a unix socket, less the closing zero. */
const longestSocketPath = 107;

/** How many slots are tried before giving up; more than a machine can run. */
const candidates = 1024;

/** Where root's workers lock uids, whatever their folders: emptied by a restart of the machine, like its processes. */
const uidLocksOfMachine = "/run/antiphon/uids";

/** Names the user's slots in shared namespaces such as cgroups. */
const userPrefix = (uid: number): string => `user${uid}-`;

/** The slots that one worker holds. */
export class Slots {
  readonly all: readonly Slot[];
  readonly #free: Slot[];
  readonly #locks: readonly FileLock[];

  private constructor(all: readonly Slot[], locks: readonly FileLock[]) {
    this.all = all;
    this.#free = [...all];
    this.#locks = locks;
  }

  /**
   * Takes `count` slots that no other worker holds.
   *
   * As root their uids count from `firstUid`, those that have a name in
   * /etc/passwd left out. `directory` is made when missing; every folder above
   * it must already let the slots' uids through. `uidLocks` must be the same for
   * all workers that see each other's processes. Throws when a folder can not be
   * made or not be reached, when a path is too long for a socket, or when there
   * are not enough free slots.
   */
  static async open({
    directory,
    count,
    firstUid,
    uidLocks = uidLocksOfMachine,
  }: {
    directory: string;
    count: number;
    firstUid: number;
    uidLocks?: string;
  }): Promise<Slots> {
    const ownUid = process.getuid?.() ?? -1;
    const asRoot = ownUid === 0;
    const parent = join(directory, "slots");
    await makeFolder(directory, 0o755);
    await makeFolder(parent, 0o711);
    if (asRoot) await checkTraversable(parent);
    if (asRoot) await mkdir(uidLocks, { recursive: true, mode: 0o700 });
    const named = asRoot ? await namedUids() : new Set<number>();

    const slots: Slot[] = [];
    const locks: FileLock[] = [];
    try {
      for (let index = 0; slots.length < count && index < candidates; index += 1) {
        const uid = asRoot ? firstUid + index : ownUid;
        if (named.has(uid)) continue;
        const gid = asRoot ? uid : (process.getgid?.() ?? -1);
        const name = asRoot ? String(uid) : `${userPrefix(uid)}${index}`;
        const folder = join(parent, name);
        if (Buffer.byteLength(join(folder, socketName)) > longestSocketPath) {
          throw new Error(`${directory} is too long a path for the sockets below it`);
        }
        await makeFolder(folder, 0o710);
        await chown(folder, ownUid, gid);
        const paths = [...(asRoot ? [join(uidLocks, String(uid))] : []), join(folder, "lock")];
        const taken = await takeAll(paths);
        if (taken === undefined) continue;
        locks.push(...taken);
        slots.push({ name, folder, uid, gid, hasOwnUid: asRoot });
      }
      if (slots.length < count)
        throw new Error(`only ${slots.length} of ${count} slots are free below ${parent}`);
    } catch (error) {
      await Promise.all(locks.map((lock) => lock.release()));
      throw error;
    }
    return new Slots(slots, locks);
  }

  /** Takes a free slot; undefined when all are taken. */
  take(): Slot | undefined {
    return this.#free.shift();
  }

  /** Gives a slot back. To be called only when it is verified empty. */
  giveBack(slot: Slot): void {
    this.#free.push(slot);
  }

  /** Releases all locks. To be called when no program runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#free.length = 0;
    await Promise.all(this.#locks.map((lock) => lock.release()));
  }
}

/** Takes all of these locks in their order, or none. */
async function takeAll(paths: readonly string[]): Promise<FileLock[] | undefined> {
  const taken: FileLock[] = [];
  for (const path of paths) {
    const lock = await FileLock.take(path);
    if (lock !== undefined) {
      taken.push(lock);
      continue;
    }
    await Promise.all(taken.map((held) => held.release()));
    return undefined;
  }
  return taken;
}

/** Makes a folder, or takes one that is already ours, with exactly this mode. */
async function makeFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${path} must be a folder of uid ${process.getuid?.()}`);
  }
  await chmod(path, mode);
}

/** Throws when a folder on the way to `path` does not let every uid through. */
async function checkTraversable(path: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) throw new Error(`${at} must be traversable for every uid (chmod o+x)`);
    if (at === dirname(at)) return;
  }
}

async function namedUids(): Promise<ReadonlySet<number>> {
  const passwd = await readFile("/etc/passwd", "utf8");
  return new Set(passwd.split("\n").map((line) => Number(line.split(":")[2])));
}
