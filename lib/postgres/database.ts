import { ConnectionPool } from "./connection-pool.ts";
import { DatabaseError } from "./errors.ts";
import { parameterText } from "./parameter.ts";
import { serverAddress } from "./server-address.ts";
import { type Queryable, type Session, sessionOn, type Transaction } from "./session.ts";
import type { Statement } from "./sql.ts";

export type { Session, Transaction } from "./session.ts";

export interface DatabaseOptions {
  /** The most connections to hold at a time. Default 10. */
  readonly maxConnections?: number;
  /** After this long Postgres ends a statement; 0 is without limit. Default 30 s. */
  readonly statementTimeoutMs?: number;
  /** The time to get a connection. Default 5 s, or the URL's `connect_timeout`. */
  readonly connectTimeoutMs?: number;
  /** What `pg_stat_activity` calls these connections. Default `antiphon`, or the URL's `application_name`. */
  readonly applicationName?: string;
}

/**
 * A Postgres database. Connections are made as they are needed and again after
 * a loss: what was in flight rejects (`isConnectionLost`, `isOutcomeUnknown`),
 * what comes later tries anew. Nothing is retried behind the caller's back.
 */
export class Database implements Queryable, AsyncDisposable {
  readonly #pool: ConnectionPool;

  /** Takes a URL as `serverAddress` reads it and connects to nothing yet. Throws when the URL is malformed. */
  constructor(url: string, options: DatabaseOptions = {}) {
    const server = serverAddress(url);
    this.#pool = new ConnectionPool(server, {
      maxConnections: options.maxConnections ?? 10,
      statementTimeoutMs: options.statementTimeoutMs ?? 30_000,
      connectTimeoutMs: options.connectTimeoutMs ?? server.connectTimeoutMs ?? 5_000,
      applicationName: options.applicationName ?? server.applicationName ?? "antiphon",
    });
  }

  async query<Row extends object = Record<string, unknown>>({ text, values }: Statement): Promise<Row[]> {
    const parameters = values.map(parameterText);
    const connection = await this.#pool.borrow();
    try {
      return (await connection.run(text, parameters)).rows as Row[];
    } finally {
      await this.#pool.release(connection);
    }
  }

  /**
   * Runs `work` in a transaction (READ COMMITTED) and commits when it resolves,
   * rolls back when it rejects. Statements run one after the other. `work` must
   * use the transaction it is given, and must not wait for anything else.
   */
  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const connection = await this.#pool.borrow();
    try {
      return await sessionOn(connection).transaction(work);
    } finally {
      await this.#pool.release(connection);
    }
  }

  /**
   * Runs `work` on a connection of its own, which is closed afterwards with all
   * that belongs to it: settings, session locks, temporary tables. For
   * statements that run for long or in no transaction; without a time limit
   * unless one is given.
   */
  async session<Result>(
    work: (session: Session) => Promise<Result>,
    { statementTimeoutMs = 0 } = {},
  ): Promise<Result> {
    const connection = await this.#pool.borrow();
    try {
      await connection.run("select set_config('statement_timeout', $1, false)", [String(statementTimeoutMs)]);
      return await work(sessionOn(connection, statementTimeoutMs));
    } finally {
      await this.#pool.release(connection, { spent: true });
    }
  }

  /** Resolves when Postgres answers, rejects with a `DatabaseError` when it does not within `timeoutMs`. */
  async ping(timeoutMs = 2_000): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new DatabaseError("the server does not answer", { code: "ETIMEDOUT", phase: "connect" }));
    }, timeoutMs);
    const answer = this.query({ text: "select 1", values: [] });
    try {
      await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
      answer.catch(() => undefined);
    }
  }

  /** Ends all connections; statements in flight get `graceMs` to end, then they reject. What is asked for later rejects. */
  async close(graceMs = 5_000): Promise<void> {
    await this.#pool.close(graceMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
