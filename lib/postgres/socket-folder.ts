import { lstat, mkdtemp, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const prefix = "antiphon-pg-";

/** The longest path of a folder for sockets, in bytes: a socket's own path must stay below 100. */
const maxBytes = 70;

/**
 * Makes a private folder (0700) with a short path for a socket, and puts a link
 * to it at `link`. The folder that the link named before, left by a process that
 * was killed, is removed.
 */
export async function socketFolder(link: string): Promise<string> {
  await removeSocketFolder(link);
  const parent = [tmpdir(), process.env["XDG_RUNTIME_DIR"], "/tmp"].find(
    (candidate) => candidate !== undefined && Buffer.byteLength(candidate) <= maxBytes - prefix.length,
  );
  const folder = await mkdtemp(join(parent ?? "/tmp", prefix));
  await symlink(folder, link);
  return folder;
}

/** Removes the link and the folder it names, where there are any. */
export async function removeSocketFolder(link: string): Promise<void> {
  const folder = await readlink(link).catch(() => undefined);
  if (folder !== undefined && (await isOurs(folder))) await rm(folder, { recursive: true, force: true });
  await rm(link, { force: true });
}

/** A name in a public folder may have gone to somebody else since the link was made. */
async function isOurs(folder: string): Promise<boolean> {
  if (!basename(folder).startsWith(prefix) || dirname(folder) === folder) return false;
  const status = await lstat(folder).catch(() => undefined);
  return status?.isDirectory() === true && status.uid === process.getuid?.();
}
