import type { JSONWebKeySet } from "jose";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { Database } from "../../lib/postgres/database.ts";
import { allScopes, publicAccessOf } from "../../lib/rpc/access.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import { accessToken } from "./access-token.ts";
import { bootstrapClients, presetClients } from "./bootstrap-clients.ts";
import type { ClientCredentials } from "./client.ts";
import { clientStore } from "./client-store.ts";
import type { AuthSettings } from "./config.ts";
import { SecretHash } from "./secret-hash.ts";
import { authService } from "./service.ts";
import { drawSigningKey, openSigningKey } from "./signing-key.ts";
import { signingKeyStore } from "./signing-key-store.ts";

/** What auth is made of. All of it outlives the service. */
export interface AuthParts {
  /** Migrated. */
  readonly db: Pick<Database, "query" | "transaction" | "ping">;
  /** The installation's secret, by which signing keys are sealed. */
  readonly secretKey: string;
  readonly settings: AuthSettings;
}

/** auth at work. */
export interface RunningAuth extends RunningService {
  /** The public keys that tokens are checked with, as they are in the database. */
  readonly fetchKeys: () => Promise<JSONWebKeySet>;

  /** Credentials for every public audience: preset ones, good ones of `known`, and new ones for what is missing. */
  readonly bootstrapClients: (known: readonly ClientCredentials[]) => Promise<ClientCredentials[]>;
}

const pingTimeoutMs = 2_000;

/**
 * Issues tokens and keeps clients. Makes the signing key if there is none, and
 * the preset clients.
 *
 * Throws a ConfigError when the signing keys were sealed by another secret, or
 * when a preset client exists for another audience.
 */
export async function auth({ db, secretKey, settings }: AuthParts): Promise<RunningAuth> {
  const clients = clientStore(db);
  const keys = signingKeyStore(db);
  const secretHash = new SecretHash();

  const [newest] = await keys.allOrFirst(await drawSigningKey(secretKey));
  if (newest === undefined) throw new Error("the signing key that was stored is not in the database");
  const key = await openSigningKey(secretKey, newest);
  await presetClients({ clients, secretHash }, settings.presets);

  const service = authService({
    clients,
    secretHash,
    issue: ({ clientId, audience }) =>
      accessToken(
        { clientId, audience, scopes: allScopes },
        { key, issuedAt: new Date(), lifetimeMs: settings.accessTokenMs },
      ),
  });
  return {
    name: "auth",
    routes: (router) => router.service(AuthService, service),
    access: publicAccessOf(AuthService),
    fetchKeys: async () => ({ keys: (await keys.all()).map(({ publicKey }) => publicKey) }),
    bootstrapClients: (known) =>
      bootstrapClients({ clients, secretHash }, { presets: settings.presets, known }),
    check: () => db.ping(pingTimeoutMs),
    [Symbol.asyncDispose]: async () => {},
  };
}
