/*
 * Makes, changes and ends clients.
 *
 *   M1. Whoever has a token for `clients-api` neither sees nor touches clients for
 *       `admin-api`.
 *   M2. A change, what it takes back and the note of it are one transaction, with
 *       rows locked in the order of `tokens.ts`.
 *   M3. What was taken back is known to this process before the caller hears of
 *       it.
 *   M4. Nobody ends or weakens itself, and whoever does it to others is what it was
 *       at that moment: such changes are made one at a time. So the last that may
 *       manage clients stays, also when two would end each other.
 */
import { randomUUID } from "node:crypto";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Database } from "../../lib/postgres/database.ts";
import type { Transaction } from "../../lib/postgres/session.ts";
import { tokenRevoked } from "../../lib/rpc/tokens.ts";
import { longestAccessTokenMs } from "./access-token.ts";
import { type Actor, auditStore } from "./audit-store.ts";
import type { Audience, NewClient } from "./client.ts";
import {
  type ClientChanges,
  type ClientFilter,
  type ClientPage,
  clientStore,
  type StoredClient,
} from "./client-store.ts";
import { refreshTokenStore } from "./refresh-token-store.ts";
import { revocationStore } from "./revocation-store.ts";
import { drawSecret, type SecretHash } from "./secret-hash.ts";
import { toleranceMs } from "./tokens.ts";

/** Who manages clients. */
export interface Manager extends Actor {
  readonly isAdmin: boolean;
}

/** A client, and its secret, which is nowhere else. */
export interface ClientWithSecret {
  readonly client: StoredClient;
  readonly secret: string;
}

export interface ClientManagementNeeds {
  readonly db: Pick<Database, "query" | "transaction">;
  readonly secretHash: Pick<SecretHash, "of">;
  /** Resolves when this process knows what was taken back so far. */
  readonly learnRevocations: () => Promise<void>;
}

export class ClientManagement {
  readonly #db: ClientManagementNeeds["db"];
  readonly #secretHash: ClientManagementNeeds["secretHash"];
  readonly #learnRevocations: () => Promise<void>;

  constructor({ db, secretHash, learnRevocations }: ClientManagementNeeds) {
    this.#db = db;
    this.#secretHash = secretHash;
    this.#learnRevocations = learnRevocations;
  }

  /** Makes a client; an empty id and an empty secret are drawn. Rejects with CLIENT_EXISTS, and with WRONG_AUDIENCE (M1). */
  async create(manager: Manager, asked: NewClient, askedSecret: string): Promise<ClientWithSecret> {
    if (asked.audience === "admin-api" && !manager.isAdmin) {
      throw new DomainError("WRONG_AUDIENCE", "a client for admin-api is made by such a one only", {
        required: "admin-api",
      });
    }
    const clientId = asked.clientId === "" ? randomUUID() : asked.clientId;
    const secret = askedSecret === "" ? drawSecret() : askedSecret;
    const hash = await this.#secretHash.of(secret);
    return await this.#db.transaction(async (transaction) => {
      const client = await clientStore(transaction).add({ ...asked, clientId }, hash);
      if (client === undefined) {
        throw new DomainError("CLIENT_EXISTS", `the id ${clientId} is taken`, { client_id: clientId });
      }
      await auditStore(transaction).note("client_created", manager, clientId);
      return { client, secret };
    });
  }

  /** By id or uid. Rejects with CLIENT_NOT_FOUND. */
  async get(manager: Manager, name: string): Promise<StoredClient> {
    return seen(manager, name, await clientStore(this.#db).get(name));
  }

  async list(
    manager: Manager,
    filter: ClientFilter,
    page: ClientPage,
  ): Promise<{ readonly clients: readonly StoredClient[]; readonly total: number }> {
    const isSeen = (audience: Audience) => manager.isAdmin || audience !== "admin-api";
    const visible = { ...filter, audiences: filter.audiences.filter(isSeen) };
    const store = clientStore(this.#db);
    const [clients, total] = await Promise.all([store.list(visible, page), store.count(visible)]);
    return { clients, total };
  }

  /**
   * Changes a client. Disabling takes all its tokens back, and the loss of a scope
   * its access tokens. Rejects with CLIENT_NOT_FOUND, and with OWN_CLIENT (M4).
   */
  async update(manager: Manager, name: string, changes: ClientChanges): Promise<StoredClient> {
    const { changed, hasLost } = await this.#db.transaction(async (transaction) => {
      if (changes.disabled === true || changes.scopes !== undefined) await mayEnd(transaction, manager);
      const client = await this.#locked(transaction, manager, name);
      const { clientId } = client;
      const isEnded = changes.disabled === true && !client.isDisabled;
      const { scopes } = changes;
      const isWeakened = scopes !== undefined && client.scopes.some((scope) => !scopes.includes(scope));
      if (isEnded || isWeakened) refuseOwn(manager, clientId, isEnded ? "disable" : "weaken");
      const changed = await clientStore(transaction).change(clientId, changes);
      if (changed === undefined) throw new Error(`the client ${clientId} has gone while it was locked`);
      const action = isEnded ? "client_disabled" : "client_updated";
      await auditStore(transaction).note(action, manager, clientId);
      if (isEnded) await refreshTokenStore(transaction).revokeOf(clientId);
      if (isEnded || isWeakened) await this.#endTokens(transaction, clientId);
      return { changed, hasLost: isEnded || isWeakened };
    });
    if (hasLost) await this.#learnRevocations();
    return changed;
  }

  /** Gives a client another secret; the one before is good for the grace. Rejects with CLIENT_NOT_FOUND. */
  async rotateSecret(manager: Manager, name: string, graceMs: number): Promise<ClientWithSecret> {
    const secret = drawSecret();
    const hash = await this.#secretHash.of(secret);
    return await this.#db.transaction(async (transaction) => {
      const { clientId } = await this.#locked(transaction, manager, name);
      const client = await clientStore(transaction).rotateSecret(clientId, hash, graceMs);
      if (client === undefined) throw new Error(`the client ${clientId} has gone while it was locked`);
      await auditStore(transaction).note("secret_rotated", manager, clientId);
      return { client, secret };
    });
  }

  /** Ends a client and takes all its tokens back. Rejects with CLIENT_NOT_FOUND, and with OWN_CLIENT (M4). */
  async delete(manager: Manager, name: string): Promise<void> {
    await this.#db.transaction(async (transaction) => {
      await mayEnd(transaction, manager);
      const { clientId } = await this.#locked(transaction, manager, name);
      refuseOwn(manager, clientId, "delete");
      await clientStore(transaction).delete(clientId);
      await auditStore(transaction).note("client_deleted", manager, clientId);
      await refreshTokenStore(transaction).revokeOf(clientId);
      await this.#endTokens(transaction, clientId);
    });
    await this.#learnRevocations();
  }

  async #locked(transaction: Transaction, manager: Manager, name: string): Promise<StoredClient> {
    return seen(manager, name, await clientStore(transaction).lock(name));
  }

  /** Takes back the access tokens of a client that is locked. */
  async #endTokens(transaction: Transaction, clientId: string): Promise<void> {
    const issuedBefore = await clientStore(transaction).endTokens(clientId);
    const expiresAt = new Date(issuedBefore.getTime() + longestAccessTokenMs + toleranceMs);
    await revocationStore(transaction).add({ kind: "client", subject: clientId, issuedBefore, expiresAt });
  }
}

/** The client, if the manager may see it (M1). */
function seen({ isAdmin }: Manager, name: string, client: StoredClient | undefined): StoredClient {
  if (client !== undefined && (isAdmin || client.audience !== "admin-api")) return client;
  throw new DomainError("CLIENT_NOT_FOUND", `there is no client ${name}`, { client_id: name });
}

/** Waits until nobody else ends or weakens clients. Throws TOKEN_REVOKED when that was done to the manager meanwhile (M4). */
async function mayEnd(transaction: Transaction, { clientId }: Manager): Promise<void> {
  const store = clientStore(transaction);
  await store.lockEnding();
  const own = await store.find(clientId);
  // One that stands for another issuer's user has no record.
  if (own === undefined) return;
  if (own.isDisabled || own.isDeleted || !own.scopes.includes("write")) throw tokenRevoked();
}

function refuseOwn(manager: Manager, clientId: string, what: "disable" | "weaken" | "delete"): void {
  if (manager.clientId !== clientId) return;
  throw new DomainError("OWN_CLIENT", `a client may not ${what} itself`, { client_id: clientId });
}
