import { join } from "node:path";
import type { RunningAuth } from "../auth/auth.ts";
import type { ClientCredentials } from "../auth/client.ts";
import { readClientsFile, writeClientsFile } from "./clients-file.ts";

/** The first clients, which whoever may read the data folder may be. */
export interface LocalClients {
  readonly path: string;
  readonly all: readonly ClientCredentials[];
}

/** Reads the credentials in the data folder; what is missing there, or no longer good, is made and written. */
export async function localClients(
  dataDirectory: string,
  auth: Pick<RunningAuth, "bootstrapClients">,
): Promise<LocalClients> {
  const path = join(dataDirectory, "clients.json");
  const known = await readClientsFile(path);
  const all = await auth.bootstrapClients(known);
  if (JSON.stringify(all) !== JSON.stringify(known)) await writeClientsFile(path, all);
  return { path, all };
}

/** The client that this process itself is to some audience. */
export function clientFor(
  wanted: ClientCredentials["audience"],
  { all, path }: LocalClients,
): { clientId: string; clientSecret: string } {
  const client = all.find(({ audience }) => audience === wanted);
  if (client === undefined) throw new Error(`${path} has no client for ${wanted}`);
  return { clientId: client.client_id, clientSecret: client.client_secret };
}
