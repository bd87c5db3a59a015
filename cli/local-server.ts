import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** A client as a server writes it into `clients.json`. */
export interface LocalClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly audience: string;
}

/** What a server leaves in its data folder for those who look for it. */
export interface LocalServer {
  readonly dataDirectory: string;
  /** Undefined when the server does not run. */
  readonly url: string | undefined;
  /** Of the process that wrote it, which may have died without taking it away. */
  readonly pid: number | undefined;
  readonly clients: readonly LocalClient[];
}

/** The name of the data folder, unless told otherwise. */
const dataFolderName = ".antiphon";

/**
 * Finds the server of the given data folder, else of a `.antiphon` in the
 * current folder or the nearest above that has one. Undefined when there is no
 * such folder.
 */
export async function findLocalServer({
  dataDirectory,
  from,
}: {
  readonly dataDirectory: string | undefined;
  readonly from: string;
}): Promise<LocalServer | undefined> {
  if (dataDirectory !== undefined) return readLocalServer(resolve(from, dataDirectory));
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const found = await readLocalServer(join(folder, dataFolderName));
    if (found !== undefined || folder === dirname(folder)) return found;
  }
}

async function readLocalServer(dataDirectory: string): Promise<LocalServer | undefined> {
  const server = await readJson(join(dataDirectory, "server.json"));
  const clients = await readJson(join(dataDirectory, "clients.json"));
  if (server === undefined && clients === undefined) return undefined;
  return {
    dataDirectory,
    url: isRecord(server) && typeof server["url"] === "string" ? server["url"] : undefined,
    pid: isRecord(server) && typeof server["pid"] === "number" ? server["pid"] : undefined,
    clients: Array.isArray(clients) ? clients.flatMap(localClient) : [],
  };
}

function localClient(entry: unknown): LocalClient[] {
  if (!isRecord(entry)) return [];
  const { client_id: clientId, client_secret: clientSecret, audience } = entry;
  if (typeof clientId !== "string" || typeof clientSecret !== "string" || typeof audience !== "string")
    return [];
  return [{ clientId, clientSecret, audience }];
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    // Unreadable is not absent: the user should see which file it is.
    if (error instanceof Error && "code" in error && error.code !== "ENOENT" && error.code !== "ENOTDIR")
      throw error;
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
