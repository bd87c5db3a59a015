import { randomBytes } from "node:crypto";
import { ConfigError } from "../../lib/config/env.ts";
import { allScopes } from "../../lib/rpc/access.ts";
import { publicAudiences } from "../../lib/rpc/tokens.ts";
import type { Audience, ClientCredentials, NewClient } from "./client.ts";
import type { ClientStore } from "./client-store.ts";
import { drawSecret, type SecretHash } from "./secret-hash.ts";

/** A client that the operator named, secret included. */
export interface PresetClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly audience: Audience;
}

export interface BootstrapNeeds {
  readonly clients: Pick<ClientStore, "find" | "add" | "restore">;
  readonly secretHash: SecretHash;
}

/**
 * Sees to it that every preset client exists with its secret, and may be used. An
 * operator who presets a client means it, so a stored secret gives way, and one
 * that was disabled or deleted is back. Repeatable, and by any number of
 * processes. Throws a ConfigError when an id belongs to a client of another
 * audience.
 */
export async function presetClients(
  { clients, secretHash }: BootstrapNeeds,
  presets: readonly PresetClient[],
): Promise<void> {
  for (const { clientId, clientSecret, audience } of presets) {
    const stored = await clients.find(clientId);
    if (stored === undefined) {
      const hash = await secretHash.of(clientSecret);
      if ((await clients.add(firstClient(clientId, audience), hash)) !== undefined) continue;
    }
    const existing = stored ?? (await clients.find(clientId));
    if (existing?.audience !== audience) {
      throw new ConfigError([
        `the client ${clientId} is preset for ${audience} and exists for ${existing?.audience}`,
      ]);
    }
    const isRight = await secretHash.matches(clientSecret, existing.secretHash);
    if (isRight && !existing.isDisabled && !existing.isDeleted) continue;
    await clients.restore(clientId, await secretHash.of(clientSecret));
  }
}

/**
 * Credentials for every public audience: the preset ones, else those of `known`
 * that are still good, else those of a client that is made for it.
 *
 * So the first start makes one client per audience, a later one with the file
 * that the first wrote makes none, and one whose file or database was lost makes
 * what is missing: a secret that nobody has can not be recovered from its hash.
 */
export async function bootstrapClients(
  { clients, secretHash }: BootstrapNeeds,
  {
    presets,
    known,
  }: { readonly presets: readonly PresetClient[]; readonly known: readonly ClientCredentials[] },
): Promise<ClientCredentials[]> {
  const isGood = async ({ client_id, client_secret, audience }: ClientCredentials): Promise<boolean> => {
    const stored = await clients.find(client_id);
    if (stored?.audience !== audience || stored.isDisabled || stored.isDeleted) return false;
    return await secretHash.matches(client_secret, stored.secretHash, stored.formerSecretHash);
  };

  const made = async (audience: Audience): Promise<ClientCredentials> => {
    const clientId = `${audience.replace("-api", "")}-${randomBytes(4).toString("hex")}`;
    const client_secret = drawSecret();
    const first = firstClient(clientId, audience);
    await clients.add(first, await secretHash.of(client_secret));
    return { client_id: clientId, client_secret, audience, name: first.name };
  };

  return Promise.all(
    publicAudiences.map(async (audience) => {
      const preset = presets.find((preset) => preset.audience === audience);
      if (preset !== undefined) {
        const { clientId, clientSecret } = preset;
        return { client_id: clientId, client_secret: clientSecret, audience, name: nameFor(audience) };
      }
      const mine = known.find((client) => client.audience === audience);
      return mine !== undefined && (await isGood(mine)) ? mine : made(audience);
    }),
  );
}

function firstClient(clientId: string, audience: Audience): NewClient {
  return { clientId, audience, name: nameFor(audience), description: "", scopes: allScopes };
}

function nameFor(audience: Audience): string {
  return `local ${audience}`;
}
