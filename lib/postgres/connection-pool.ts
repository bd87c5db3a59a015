/*
 * The connections of one process to one database.
 *
 *   P1. A connection is with one borrower at a time, or idle here, or gone.
 *   P2. There are never more than `maxConnections`, those being opened counted.
 *   P3. Who must wait is served in the order of asking; a connection that is
 *       lost gives its place to the first who waits.
 *   P4. After `close` begins nobody is given a connection, and it ends within
 *       its grace and about a second.
 */
import { Connection, type ConnectionSettings } from "./connection.ts";
import { DatabaseError } from "./errors.ts";
import type { ServerAddress } from "./server-address.ts";

/** An idle connection is closed after this long: each one costs the server some megabytes. */
const idleMs = 60_000;

/** A connection is not used beyond this age, spread by half: caches of a backend grow, and a fail-over should be noticed by all. */
const maxAgeMs = 30 * 60_000;

export interface PoolSettings extends ConnectionSettings {
  readonly maxConnections: number;
}

/** What a borrower who waited gets: a connection, leave to open one, or the news that the pool is closed. */
type Handover = Connection | "open" | "closed";

export class ConnectionPool {
  readonly #server: ServerAddress;
  readonly #settings: PoolSettings;
  readonly #idle = new Map<Connection, NodeJS.Timeout>();
  readonly #lent = new Set<Connection>();
  readonly #waiting: ((handover: Handover) => void)[] = [];
  #opening = 0;
  #isClosed = false;
  #emptied: (() => void) | undefined;

  constructor(server: ServerAddress, settings: PoolSettings) {
    this.#server = server;
    this.#settings = settings;
  }

  /** Lends a connection, which comes back by `release`. */
  async borrow(): Promise<Connection> {
    if (this.#isClosed) throw closed();
    const idle = [...this.#idle.keys()].at(-1);
    if (idle !== undefined) return this.#lend(idle);
    if (this.#size < this.#settings.maxConnections) return this.#open();
    const handover = await new Promise<Handover>((resolve) => this.#waiting.push(resolve));
    if (handover === "closed") throw closed();
    if (handover !== "open") return handover;
    this.#opening -= 1;
    return this.#open();
  }

  /** Takes a connection back. One that is `spent` is not lent again. */
  async release(connection: Connection, { spent = false } = {}): Promise<void> {
    if (!this.#lent.delete(connection)) return;
    const isOld = performance.now() - connection.openedAtMs > maxAgeMs;
    if (spent || isOld || this.#isClosed || !connection.isUsable) {
      await connection.close();
      this.#placeFreed();
      return;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#lent.add(connection);
      next(connection);
      return;
    }
    this.#idle.set(connection, setTimeout(() => void connection.close(), idleMs).unref());
  }

  /** Ends all connections: idle ones at once, lent ones as they come back or after the grace. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    for (const tell of this.#waiting.splice(0)) tell("closed");
    await Promise.all([...this.#idle.keys()].map((connection) => connection.close()));
    if (this.#lent.size + this.#opening === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    const timer = setTimeout(resolve, graceMs);
    await promise;
    clearTimeout(timer);
    for (const connection of this.#lent) connection.destroy();
  }

  get #size(): number {
    return this.#idle.size + this.#lent.size + this.#opening;
  }

  #lend(connection: Connection): Connection {
    clearTimeout(this.#idle.get(connection));
    this.#idle.delete(connection);
    this.#lent.add(connection);
    return connection;
  }

  async #open(): Promise<Connection> {
    this.#opening += 1;
    const connection = await this.#opened();
    if (!this.#isClosed) return connection;
    await this.release(connection);
    throw closed();
  }

  async #opened(): Promise<Connection> {
    try {
      const connection = await Connection.open(this.#server, this.#settings, (lost) =>
        this.#forgetIdle(lost),
      );
      this.#lent.add(connection);
      this.#opening -= 1;
      return connection;
    } catch (error) {
      this.#opening -= 1;
      this.#placeFreed();
      throw error;
    }
  }

  #forgetIdle(connection: Connection): void {
    clearTimeout(this.#idle.get(connection));
    if (this.#idle.delete(connection)) this.#placeFreed();
  }

  #placeFreed(): void {
    if (this.#isClosed) {
      if (this.#lent.size + this.#opening === 0) this.#emptied?.();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#opening += 1;
    next("open");
  }
}

function closed(): DatabaseError {
  return new DatabaseError("the database is closed", { code: "CONNECTION_ENDED", phase: "connect" });
}
