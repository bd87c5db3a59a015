/*
 * One connection to Postgres.
 *
 *   C1. A client of the driver lives as long as its one socket and is never
 *       used again: the driver carries the state of a dead connection (its last
 *       error, its row counter) into the next one.
 *   C2. It is given one statement at a time, so that nothing waits inside the
 *       driver, where a lost connection would send it again or forget it.
 *   C3. Every statement ends: when neither an answer nor a refusal comes within
 *       its time limit and a grace, the socket is destroyed; and when the socket
 *       is closed the statement rejects, also where the driver forgets it (one
 *       that it is given between a socket's `error` and `close`).
 *   C4. No error escapes: a socket that dies while idle is only reported to
 *       `onLost`, once, and from its first sign of death nothing more is sent.
 */
import { connect, type Socket } from "node:net";
import postgres from "postgres";
import { columnParsers } from "./column.ts";
import { DatabaseError, type FailurePhase } from "./errors.ts";
import type { Endpoint, ServerAddress } from "./server-address.ts";

/** What every connection of a pool has in common. */
export interface ConnectionSettings {
  readonly applicationName: string;
  /** From the first byte to a server that takes statements. */
  readonly connectTimeoutMs: number;
  /** After this long Postgres ends a statement; 0 is without limit. */
  readonly statementTimeoutMs: number;
}

/** What a statement answered. */
export interface Reply {
  readonly rows: object[];
  /** The command as Postgres names it when it is done: `SELECT`, `COMMIT`, `ROLLBACK`, … */
  readonly command: string;
}

/** How long after its time limit a statement may still be answered; then the server counts as unreachable. */
const answerGraceMs = 5_000;

/** How long a transaction may do nothing before Postgres ends it: a leak must not hold its locks for ever. */
const idleInTransactionMs = 60_000;

/**
 * Our statements find rows by key, whole batches of them, but Postgres keeps the
 * plan that it made for a statement while a table was small, and that one reads
 * the whole table for every batch. Where nothing else is possible it still may.
 */
const plansByKey = { enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off" };

/** How long a polite end of the connection may take. */
const goodbyeMs = 1_000;

export class Connection {
  readonly openedAtMs = performance.now();
  readonly #settings: ConnectionSettings;
  readonly #client: postgres.Sql;
  readonly #onLost: (connection: Connection) => void;
  #socket: Socket | undefined;
  #isUsable = true;
  #timedOut = false;
  /** Rejects the statement in flight. */
  #abandon: ((reason: Error) => void) | undefined;

  private constructor(
    endpoint: Endpoint,
    server: ServerAddress,
    settings: ConnectionSettings,
    onLost: (connection: Connection) => void,
  ) {
    this.#settings = settings;
    this.#onLost = onLost;
    const options = {
      max: 1,
      // The driver fetches array types in a promise that nobody awaits; a
      // server that dies just then would end the process. `column.ts` has them.
      fetch_types: false,
      connect_timeout: null,
      idle_timeout: null,
      max_lifetime: null,
      prepare: true,
      debug: false,
      target_session_attrs: null,
      host: "host" in endpoint ? endpoint.host : "localhost",
      port: "port" in endpoint ? endpoint.port : 5432,
      user: server.user,
      password: server.password,
      database: server.database,
      ssl: "path" in endpoint ? false : server.tls,
      types: driverTypes,
      connection: {
        application_name: settings.applicationName,
        statement_timeout: settings.statementTimeoutMs,
        idle_in_transaction_session_timeout: idleInTransactionMs,
        ...plansByKey,
        TimeZone: "UTC",
        DateStyle: "ISO",
        bytea_output: "hex",
      },
      onnotice: () => undefined,
      onclose: () => this.#lost(),
      socket: () => this.#dial(endpoint),
    };
    this.#client = postgres(options as unknown as postgres.Options<Record<string, postgres.PostgresType>>);
  }

  /**
   * Connects to the first endpoint that answers and can be written to; a
   * standby is passed over. Rejects with the `DatabaseError` of the last one.
   * `onLost` is called once when the connection is gone, whoever ended it.
   */
  static async open(
    server: ServerAddress,
    settings: ConnectionSettings,
    onLost: (connection: Connection) => void,
  ): Promise<Connection> {
    let failure: DatabaseError | undefined;
    for (const endpoint of server.endpoints) {
      const connection = new Connection(endpoint, server, settings, onLost);
      try {
        const { rows } = await connection.#send("connect", settings.connectTimeoutMs, () =>
          connection.#rowsOf("select pg_is_in_recovery() as is_standby", []),
        );
        const [answer] = rows as { is_standby: boolean }[];
        if (answer?.is_standby === false) return connection;
        failure = new DatabaseError("the server is a standby", { code: "57P03", phase: "connect" });
      } catch (error) {
        failure = error as DatabaseError;
      }
      connection.destroy();
    }
    throw (
      failure ?? new DatabaseError("the database URL names no server", { code: "08001", phase: "connect" })
    );
  }

  /** Whether another statement may be sent. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** Runs one prepared statement. `timeoutMs` is the limit that Postgres has for it. */
  async run(
    text: string,
    values: readonly (string | null)[],
    timeoutMs = this.#settings.statementTimeoutMs,
  ): Promise<Reply> {
    return this.#send("statement", timeoutMs, () => this.#rowsOf(text, values));
  }

  /** Runs statements without parameters, separated by semicolons, and drops what they answer. */
  async runScript(text: string, timeoutMs = this.#settings.statementTimeoutMs): Promise<void> {
    await this.#send("statement", timeoutMs, async () => {
      await this.#client.unsafe(text, [], { prepare: false, simple: true } as object);
      return { rows: [], command: "" };
    });
  }

  /** Ends the connection politely within a second. */
  async close(): Promise<void> {
    if (this.#isUsable) await this.#client.end({ timeout: goodbyeMs / 1000 });
    this.destroy();
  }

  /** Ends the connection at once; a statement in flight rejects. */
  destroy(): void {
    this.#socket?.destroy();
    this.#lost();
  }

  async #rowsOf(text: string, values: readonly (string | null)[]): Promise<Reply> {
    const rows: object[] = [];
    const pending = this.#client.unsafe(
      text,
      values as (string | null)[],
      { prepare: true, simple: false } as object,
    );
    // Rows are taken one by one because the driver's own array starts with
    // holes after a statement that failed in the middle of its rows.
    const done = await pending.forEach((row) => rows.push(row));
    return { rows, command: done.command };
  }

  async #send(phase: FailurePhase, timeoutMs: number, statement: () => Promise<Reply>): Promise<Reply> {
    if (!this.#isUsable)
      throw new DatabaseError("the connection is lost", { code: "CONNECTION_CLOSED", phase: "connect" });
    const timer =
      timeoutMs === 0
        ? undefined
        : setTimeout(() => this.#giveUp(), timeoutMs + (phase === "connect" ? 0 : answerGraceMs));
    const { promise: abandoned, reject } = Promise.withResolvers<never>();
    this.#abandon = reject;
    try {
      return await Promise.race([statement(), abandoned]);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      throw this.#failure(error, phase);
    } finally {
      clearTimeout(timer);
    }
  }

  #giveUp(): void {
    this.#timedOut = true;
    this.#socket?.destroy();
  }

  #failure(error: unknown, phase: FailurePhase): DatabaseError {
    const { code, message, constraint_name, schema_name, table_name } = error as postgres.PostgresError;
    if (this.#timedOut) {
      this.destroy();
      return new DatabaseError("the server does not answer", { code: "ETIMEDOUT", phase });
    }
    return new DatabaseError(message, {
      code: code ?? "XX000",
      phase,
      constraint: constraint_name,
      table: table_name === undefined ? undefined : `${schema_name ?? "public"}.${table_name}`,
    });
  }

  #lost(): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    this.#onLost(this);
  }

  /** Makes the one socket. The driver asks again when a socket ends before the server is ready; that is refused (C1). */
  async #dial(endpoint: Endpoint): Promise<Socket> {
    if (this.#socket !== undefined) throw connectionClosed();
    const socket = connect(endpoint);
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(connectionClosed()));
      for (const sign of ["error", "end", "close"]) socket.once(sign, () => this.#lost());
      // After a turn, so that the driver comes first: its error says more.
      socket.once("close", () => setImmediate(() => this.#abandon?.(connectionClosed())));
    });
    // The driver reads the host from here to check a certificate.
    if ("host" in endpoint) Object.assign(socket.setNoDelay(true), { host: endpoint.host });
    return socket;
  }
}

function connectionClosed(): Error {
  return Object.assign(new Error("the server closed the connection"), { code: "CONNECTION_CLOSED" });
}

const unchanged = (text: string): string => text;

/** The types of the driver whose parameters it would write itself; ours arrive as text. */
const typesOfDriver = [0, 16, 17, 21, 23, 25, 26, 114, 700, 701, 1082, 1114, 1184, 3802];

const driverTypes = Object.fromEntries(
  [...new Set([...typesOfDriver, ...columnParsers.keys()])].map((type) => [
    `type_${type}`,
    { to: type, from: [type], serialize: unchanged, parse: columnParsers.get(type) ?? unchanged },
  ]),
);
