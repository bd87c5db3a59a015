import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** The path of a `redis-server`, else of a `valkey-server`, that this process may run; undefined when PATH has neither. */
export async function findRedisServer(
  searchPath: string = process.env["PATH"] ?? "",
): Promise<string | undefined> {
  const folders = searchPath.split(delimiter).filter((folder) => folder !== "");
  for (const name of ["redis-server", "valkey-server"]) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (await isExecutable(path)) return path;
    }
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
