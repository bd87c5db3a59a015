import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Copies our Python package to where every uid may read it, wherever the checkout
 * lies, and answers the folder that holds it. The folder is named after its
 * content, so a worker of another version has another one, and one that is there
 * is complete.
 */
export async function installShim({
  source,
  directory,
}: {
  /** The folder that holds the package. */
  readonly source: string;
  /** An existing folder that every uid may traverse. */
  readonly directory: string;
}): Promise<string> {
  const names = (await readdir(source, { recursive: true }))
    .filter((name) => /\.(py|typed)$/.test(name))
    .sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name, content: await readFile(join(source, name)) })),
  );
  const hash = createHash("sha256");
  for (const { name, content } of files) hash.update(`${name}:${content.length}:`).update(content);
  const shims = join(directory, "shim");
  const folder = join(shims, hash.digest("hex").slice(0, 32));
  if (existsSync(folder)) return folder;
  const building = `${folder}.${randomUUID()}`;
  await makeOpen(shims);
  await makeOpen(building);
  for (const { name, content } of files) {
    const path = join(building, name);
    await makeOpen(dirname(path));
    await writeFile(path, content);
    await chmod(path, 0o644);
  }
  await rename(building, folder).catch(async (error: unknown) => {
    // Another worker was first.
    await rm(building, { recursive: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}

/** Makes a folder that every uid may read, whatever this process's umask is. */
async function makeOpen(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
}
