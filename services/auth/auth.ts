import type { JSONWebKeySet } from "jose";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { RevocationService } from "../../gen/antiphon/internal/v1/revocation_service_pb.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Database } from "../../lib/postgres/database.ts";
import { internalOnly, publicAccessOf } from "../../lib/rpc/access.ts";
import { Revocations } from "../../lib/rpc/revocations.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import { tokenVerifier } from "../../lib/rpc/tokens.ts";
import { accessToken, type TokenGrant } from "./access-token.ts";
import { auditStore } from "./audit-store.ts";
import { bootstrapClients, presetClients } from "./bootstrap-clients.ts";
import type { ClientCredentials } from "./client.ts";
import { ClientManagement } from "./client-management.ts";
import { clientStore } from "./client-store.ts";
import type { AuthSettings } from "./config.ts";
import { credentialsCheck } from "./credentials.ts";
import { expiryLoop } from "./expiry-loop.ts";
import { expiryStore } from "./expiry-store.ts";
import { exchangedTokens } from "./federation/exchanged-tokens.ts";
import { tokenExchange } from "./federation/token-exchange.ts";
import { RevocationFeed } from "./revocation-feed.ts";
import { revocationStore } from "./revocation-store.ts";
import { revocationService } from "./rpc/revocation-service.ts";
import { SecretAttempts } from "./secret-attempts.ts";
import { SecretHash } from "./secret-hash.ts";
import { authService } from "./service.ts";
import { SigningKeys } from "./signing-keys.ts";
import { Tokens } from "./tokens.ts";

/** What auth is made of. All of it outlives the service. */
export interface AuthParts {
  /** Migrated. */
  readonly db: Pick<Database, "query" | "transaction" | "ping">;
  /** The installation's secret, by which signing keys are sealed. */
  readonly secretKey: string;
  readonly settings: AuthSettings;
  readonly log: Logger;
}

/** auth at work. */
export interface RunningAuth extends RunningService {
  /** The public keys that tokens are checked with, as they are in the database. */
  readonly fetchKeys: () => Promise<JSONWebKeySet>;

  /** What was taken back, as this process knows it. */
  readonly revocations: Revocations;

  /** Credentials for every public audience: preset ones, good ones of `known`, and new ones for what is missing. */
  readonly bootstrapClients: (known: readonly ClientCredentials[]) => Promise<ClientCredentials[]>;
}

const pingTimeoutMs = 2_000;

/**
 * Issues tokens, takes them back, and keeps clients. Makes the first signing key
 * if there is none, and the preset clients.
 *
 * Throws a ConfigError when the signing keys were sealed by another secret, or
 * when a preset client exists for another audience.
 */
export async function auth({ db, secretKey, settings, log }: AuthParts): Promise<RunningAuth> {
  const clients = clientStore(db);
  const audit = auditStore(db);
  const secretHash = new SecretHash();
  const keys = await SigningKeys.open({ db, secretKey, maxAgeMs: settings.signingKeyMs });
  const fetchKeys = async () => await keys.published();
  await presetClients({ clients, secretHash }, settings.presets);

  const revocations = new Revocations();
  const feed = new RevocationFeed(revocationStore(db), revocations);
  await feed.read();
  revocations.markComplete();
  const learnRevocations = async () => await feed.read();

  const sign = async (grant: TokenGrant, life: { readonly issuedAt: Date; readonly lifetimeMs: number }) =>
    await accessToken(grant, { key: keys.current, ...life });
  const tokens = new Tokens({
    db,
    accessTokenMs: settings.accessTokenMs,
    refreshTokenMs: settings.refreshTokenMs,
    sign,
    verify: tokenVerifier({ fetchKeys, secretKey, revocations }),
    learnRevocations,
  });
  const exchange = tokenExchange({
    settings: settings.federation,
    findClient: async (clientId) => {
      const client = await clients.find(clientId);
      return client && { ...client, isUsable: !client.isDisabled && !client.isDeleted };
    },
    issue: exchangedTokens({ db, sign }),
  });
  const service = authService({
    clients,
    exchange,
    audit,
    keys,
    tokens,
    checkCredentials: credentialsCheck({ clients, secretHash, attempts: new SecretAttempts(), audit }),
    management: new ClientManagement({ db, secretHash, learnRevocations }),
  });

  const ending = new AbortController();
  const loops = [
    feed.follow(log, ending.signal),
    keys.keep(log, ending.signal),
    expiryLoop({ store: expiryStore(db), log }, ending.signal),
  ];

  return {
    name: "auth",
    routes: (router) => {
      router.service(AuthService, service);
      router.service(RevocationService, revocationService(feed));
    },
    access: { ...publicAccessOf(AuthService), [RevocationService.typeName]: internalOnly },
    fetchKeys,
    revocations,
    bootstrapClients: (known) =>
      bootstrapClients({ clients, secretHash }, { presets: settings.presets, known }),
    check: () => db.ping(pingTimeoutMs),
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.all(loops);
    },
  };
}
