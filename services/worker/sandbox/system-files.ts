import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Slot } from "./slots.ts";

/** The folders of the root that hold the system, and that are links into /usr on most machines. */
const systemFolders = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** What a sandbox sees of the host's /etc: no secrets, and nothing that names the host. */
const sharedEtc = ["/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/localtime"];

/** Options that show the host's system read-only. */
export function systemArguments(): readonly string[] {
  return [
    "--ro-bind",
    "/usr",
    "/usr",
    ...systemFolders.flatMap((folder) => {
      const found = lstatSync(folder, { throwIfNoEntry: false });
      if (!found) return [];
      return found.isSymbolicLink()
        ? ["--symlink", readlinkSync(folder), folder]
        : ["--ro-bind", folder, folder];
    }),
  ];
}

/** Options that show the sandbox's own /etc, with some files of the host's in it. */
export function etcArguments({ folder }: Slot): readonly string[] {
  const shared = sharedEtc.filter((path) => existsSync(path));
  return ["--ro-bind", join(folder, "etc"), "/etc", ...shared.flatMap((path) => ["--ro-bind", path, path])];
}

/** Writes the sandbox's own /etc: who the program is, and that localhost is itself. */
export async function writeEtc({ folder, uid, gid }: Slot): Promise<void> {
  const etc = join(folder, "etc");
  const files: Readonly<Record<string, string>> = {
    passwd: `root:x:0:0:root:/:/bin/sh\nprogram:x:${uid}:${gid}:program:/box:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n`,
    group: `root:x:0:\nprogram:x:${gid}:\nnogroup:x:65534:\n`,
    hosts: "127.0.0.1 localhost sandbox\n::1 localhost\n",
    hostname: "sandbox\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
  };
  await mkdir(etc);
  for (const [name, content] of Object.entries(files)) await writeFile(join(etc, name), content);
  // Places to mount on: nothing can be made in a folder that is bound read-only.
  for (const path of sharedEtc) {
    const isFolder = lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const target = join(folder, path);
    await mkdir(isFolder ? target : dirname(target), { recursive: true });
    if (!isFolder) await writeFile(target, "");
  }
}
