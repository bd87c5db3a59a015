import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { z } from "zod";
import { ConfigError } from "../../lib/config/env.ts";
import { publicAudiences } from "../../lib/rpc/tokens.ts";
import type { ClientCredentials } from "../auth/client.ts";

const fileSchema = z.array(
  z.object({
    client_id: z.string(),
    client_secret: z.string(),
    audience: z.enum(publicAudiences),
    name: z.string(),
  }),
);

/** The credentials in a file, none when it does not exist. Throws a ConfigError, which quotes nothing of it, when it is not of the form. */
export async function readClientsFile(path: string): Promise<ClientCredentials[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "[]";
    throw error;
  });
  const read = fileSchema.safeParse(parsed(text));
  if (read.success) return read.data;
  throw new ConfigError([`${path}: it is no list of clients; delete it and it is made anew`]);
}

/** Puts credentials into a file that only its owner may read, from its first moment on; whoever reads it meanwhile finds the old or the new whole. */
export async function writeClientsFile(path: string, clients: readonly ClientCredentials[]): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  try {
    const file = await open(unfinished, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(clients, undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
