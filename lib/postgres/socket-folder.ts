import { lstat, mkdtemp, readdir, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const prefix = "antiphon-pg-";

/** In a folder for sockets, the path of the link that names it. */
const ownerName = "owner";

/** The longest path of a folder for sockets, in bytes: a socket's own path must stay below 100. */
const maxBytes = 70;

/**
 * Makes a private folder (0700) with a short path for a socket, and puts a link
 * to it at `link`. Folders that killed processes left are removed: the one that
 * the link named before, and those whose own link is gone.
 */
export async function socketFolder(link: string): Promise<string> {
  await removeSocketFolder(link);
  const parent = shortParent();
  await removeAbandoned(parent);
  const folder = await mkdtemp(join(parent, prefix));
  // In this order a folder that names its owner is always named by it, and so never looks abandoned while it is made.
  await symlink(folder, link);
  await symlink(link, join(folder, ownerName));
  return folder;
}

/** Removes the link and the folder it names, where there are any. */
export async function removeSocketFolder(link: string): Promise<void> {
  const folder = await readlink(link).catch(() => undefined);
  if (folder !== undefined && (await isOurs(folder))) await rm(folder, { recursive: true, force: true });
  await rm(link, { force: true });
}

function shortParent(): string {
  const isShort = (path: string): boolean =>
    Buffer.byteLength(path) + prefix.length + "/XXXXXX".length <= maxBytes;
  return [tmpdir(), process.env["XDG_RUNTIME_DIR"] ?? "/tmp"].find(isShort) ?? "/tmp";
}

async function removeAbandoned(parent: string): Promise<void> {
  const folders = (await readdir(parent)).map((name) => join(parent, name));
  await Promise.all(
    folders.map(async (folder) => {
      if (!(await isOurs(folder))) return;
      const owner = await readlink(join(folder, ownerName)).catch(() => undefined);
      if (owner === undefined) return;
      const named = await readlink(owner).catch(() => undefined);
      if (named !== folder) await rm(folder, { recursive: true, force: true });
    }),
  );
}

/** A name in a public folder may belong to somebody else, or have gone to somebody else since a link to it was made. */
async function isOurs(folder: string): Promise<boolean> {
  if (!basename(folder).startsWith(prefix)) return false;
  const status = await lstat(folder).catch(() => undefined);
  return status?.isDirectory() === true && status.uid === process.getuid?.();
}
