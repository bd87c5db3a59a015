import type { Queryable } from "../../lib/postgres/session.ts";
import { type Statement, sql } from "../../lib/postgres/sql.ts";
import type { Scope } from "../../lib/rpc/access.ts";
import type { Audience, Client, NewClient } from "./client.ts";

/** A client and what its secret is checked with. */
export interface StoredClient extends Client {
  readonly secretHash: string;
  /** Of the secret before, while that is good. */
  readonly formerSecretHash?: string;
}

/** A client that gets a token. */
export interface HeldClient {
  readonly client: StoredClient;
  readonly issuedAt: Date;
}

/** By what clients may be listed. */
export const clientOrders = ["created_at", "client_id", "audience", "name", "description"] as const;

/** Which clients are meant, and in which order they are wanted. */
export interface ClientFilter {
  /** Contained in id, name or description, whatever the case of letters; empty means all. */
  readonly text: string;
  readonly audiences: readonly Audience[];
  readonly orderBy: (typeof clientOrders)[number];
  readonly descending: boolean;
}

export interface ClientPage {
  /** The id of the last client of the page before. */
  readonly after: string | undefined;
  readonly skip: number;
  readonly limit: number;
}

/** What of a client can be replaced; what is absent stays. */
export interface ClientChanges {
  readonly name?: string;
  readonly description?: string;
  readonly scopes?: readonly Scope[];
  readonly disabled?: boolean;
}

/** Keeps clients in `auth.client`. A deleted one keeps its row; only `find` and `restore` see it. */
export interface ClientStore {
  /** Also when it is deleted. */
  find(clientId: string): Promise<StoredClient | undefined>;
  /** The client with this id or, when nobody has it as its id, this uid. Locked until the end of the transaction. */
  lock(name: string): Promise<StoredClient | undefined>;
  /** Lets nobody else end or weaken clients until the end of the transaction. To be called before any is locked. */
  lockEnding(): Promise<void>;
  /** As `lock`, without a lock. */
  get(name: string): Promise<StoredClient | undefined>;
  /**
   * The client and the instant that a token which it gets now is issued at;
   * undefined when it may get none. Until the end of the transaction nobody
   * changes it, so that who takes its tokens back knows of this one.
   */
  hold(clientId: string): Promise<HeldClient | undefined>;
  /** Adds a client; undefined, and nothing is changed, when its id is or was taken. */
  add(client: NewClient, secretHash: string): Promise<StoredClient | undefined>;
  /** Gives a client this secret and no other, and makes it usable if it was disabled or deleted. */
  restore(clientId: string, secretHash: string): Promise<void>;
  change(clientId: string, changes: ClientChanges): Promise<StoredClient | undefined>;
  /** Puts another secret in the place of the present one, which stays good for the grace, and no other. */
  rotateSecret(clientId: string, secretHash: string, graceMs: number): Promise<StoredClient | undefined>;
  delete(clientId: string): Promise<void>;
  /** Refuses, from the next whole second on, what was issued to a client so far; answers that second. */
  endTokens(clientId: string): Promise<Date>;
  list(filter: ClientFilter, page: ClientPage): Promise<readonly StoredClient[]>;
  count(filter: ClientFilter): Promise<number>;
}

interface ClientRow {
  readonly client_id: string;
  readonly uid: string;
  readonly audience: Audience;
  readonly name: string;
  readonly description: string;
  readonly scopes: Scope[];
  readonly secret_hash: string;
  readonly former_secret_hash: string | null;
  readonly former_secret_expires_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly is_disabled: boolean;
  readonly is_deleted: boolean;
}

const columns = sql`
  client_id, uid::text as uid, audience, name, description, scopes, secret_hash, created_at, updated_at,
  case when former_secret_expires_at > now() then former_secret_hash end as former_secret_hash,
  case when former_secret_expires_at > now() then former_secret_expires_at end as former_secret_expires_at,
  disabled_at is not null as is_disabled,
  deleted_at is not null as is_deleted
`;

const uuidForm = /^[\da-f]{8}-?(?:[\da-f]{4}-?){3}[\da-f]{12}$/i;

// By their bytes, so that a page goes on where the one before ended whatever the database's language is.
const orderOf: Readonly<Record<ClientFilter["orderBy"], Statement>> = {
  created_at: sql`created_at`,
  client_id: sql`client_id collate "C"`,
  audience: sql`audience collate "C"`,
  name: sql`name collate "C"`,
  description: sql`description collate "C"`,
};

export function clientStore(db: Queryable): ClientStore {
  const one = async (statement: Statement): Promise<StoredClient | undefined> => {
    const [row] = await db.query<ClientRow>(statement);
    return row && clientOf(row);
  };

  return {
    find: (clientId) => one(sql`select ${columns} from auth.client where client_id = ${clientId}`),

    lock: (name) => one(sql`${named(name)} for update`),

    async lockEnding() {
      await db.query(sql`select pg_advisory_xact_lock(hashtext('auth.client'))`);
    },

    get: (name) => one(named(name)),

    async hold(clientId) {
      const [row] = await db.query<ClientRow & { issued_at: Date }>(sql`
        select ${columns}, greatest(clock_timestamp(), tokens_valid_from) as issued_at
        from auth.client
        where client_id = ${clientId} and disabled_at is null and deleted_at is null
        for share
      `);
      return row && { client: clientOf(row), issuedAt: row.issued_at };
    },

    add: ({ clientId, audience, name, description, scopes }, secretHash) =>
      one(sql`
        insert into auth.client (client_id, audience, name, description, scopes, secret_hash)
        values (${clientId}, ${audience}, ${name}, ${description}, ${scopes}::text[], ${secretHash})
        on conflict (client_id) do nothing
        returning ${columns}
      `),

    async restore(clientId, secretHash) {
      await db.query(sql`
        update auth.client
        set secret_hash = ${secretHash}, former_secret_hash = null, former_secret_expires_at = null,
          disabled_at = null, deleted_at = null, updated_at = now()
        where client_id = ${clientId}
      `);
    },

    change: (clientId, { name, description, scopes, disabled }) =>
      one(sql`
        update auth.client
        set name = coalesce(${name}, name),
          description = coalesce(${description}, description),
          scopes = coalesce(${scopes ?? null}::text[], scopes),
          disabled_at = case
            when ${disabled}::boolean is null then disabled_at
            when ${disabled}::boolean then coalesce(disabled_at, now())
          end,
          updated_at = now()
        where client_id = ${clientId}
        returning ${columns}
      `),

    rotateSecret: (clientId, secretHash, graceMs) =>
      one(sql`
        update auth.client
        set secret_hash = ${secretHash},
          former_secret_hash = case when ${graceMs}::bigint > 0 then secret_hash end,
          former_secret_expires_at =
            case when ${graceMs}::bigint > 0 then now() + ${graceMs}::bigint * interval '1 millisecond' end,
          updated_at = now()
        where client_id = ${clientId}
        returning ${columns}
      `),

    async delete(clientId) {
      await db.query(sql`
        update auth.client
        set deleted_at = now(), updated_at = now(),
          secret_hash = '', former_secret_hash = null, former_secret_expires_at = null
        where client_id = ${clientId}
      `);
    },

    async endTokens(clientId) {
      // The clock and not the begin of this transaction: whoever issued a token
      // held the row, and may have done so after that.
      const [row] = await db.query<{ tokens_valid_from: Date }>(sql`
        update auth.client
        set tokens_valid_from = date_trunc('second', clock_timestamp()) + interval '1 second'
        where client_id = ${clientId}
        returning tokens_valid_from
      `);
      if (row === undefined) throw new Error(`the client ${clientId} has gone while it was locked`);
      return row.tokens_valid_from;
    },

    async list(filter, { after, skip, limit }) {
      const order = orderOf[filter.orderBy];
      const direction = filter.descending ? sql`desc` : sql`asc`;
      const comparison = filter.descending ? sql`<` : sql`>`;
      const beyond =
        after === undefined
          ? sql`true`
          : sql`
              (${order}, client_id collate "C") ${comparison} (
                select ${order}, client_id collate "C" from auth.client where client_id = ${after}
              )
            `;
      const rows = await db.query<ClientRow>(sql`
        select ${columns}
        from auth.client
        where ${matching(filter)} and ${beyond}
        order by ${order} ${direction}, client_id collate "C" ${direction}
        offset ${skip}
        limit ${limit}
      `);
      return rows.map(clientOf);
    },

    async count(filter) {
      const [row] = await db.query<{ total: number }>(
        sql`select count(*) as total from auth.client where ${matching(filter)}`,
      );
      return row?.total ?? 0;
    },
  };
}

function named(name: string): Statement {
  return sql`
    select ${columns}
    from auth.client
    where (client_id = ${name} or uid = ${uuidForm.test(name) ? name : null}::uuid) and deleted_at is null
    order by client_id = ${name} desc
    limit 1
  `;
}

function matching({ text, audiences }: ClientFilter): Statement {
  return sql`
    deleted_at is null
    and audience = any(${audiences}::text[])
    and (
      ${text} = ''
      or strpos(lower(client_id), lower(${text})) > 0
      or strpos(lower(name), lower(${text})) > 0
      or strpos(lower(description), lower(${text})) > 0
    )
  `;
}

function clientOf(row: ClientRow): StoredClient {
  return {
    clientId: row.client_id,
    uid: row.uid,
    audience: row.audience,
    name: row.name,
    description: row.description,
    scopes: row.scopes,
    secretHash: row.secret_hash,
    ...(row.former_secret_hash !== null && { formerSecretHash: row.former_secret_hash }),
    ...(row.former_secret_expires_at !== null && { formerSecretExpiresAt: row.former_secret_expires_at }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    isDisabled: row.is_disabled,
    isDeleted: row.is_deleted,
  };
}
