import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RedisServer } from "../lib/broker/redis-server.ts";
import { Database } from "../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../lib/postgres/embedded-postgres.ts";
import { migrateServices } from "../lib/postgres/migrate.ts";

/** What one subject gets for one turn: a database and a Redis that nobody used before. */
export interface Props extends AsyncDisposable {
  /** A database with the schemas of all services. */
  readonly databaseUrl: string;
  /** The path of a unix socket, which ioredis takes as a URL. */
  readonly redisUrl: string;
  /** For whatever has to lie on a disk; removed with the rest. */
  readonly folder: string;
}

const templateName = "template_bench";

/** Postgres as `npm start` runs it, fsync on, for all subjects; each turn has a database and a Redis of its own. */
export class Stage implements AsyncDisposable {
  readonly #postgres: EmbeddedPostgres;
  readonly #folder: string;
  readonly #redisServers = new Set<RedisServer>();

  private constructor(postgres: EmbeddedPostgres, folder: string) {
    this.#postgres = postgres;
    this.#folder = folder;
  }

  static async open(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), "antiphon-bench-"));
    const postgres = await EmbeddedPostgres.start({ dataDirectory: join(folder, "postgres") });
    const stage = new Stage(postgres, folder);
    await stage.#execute(`create database ${templateName}`);
    await using template = new Database(stage.#urlOf(templateName));
    await migrateServices(template, fileURLToPath(new URL("../services", import.meta.url)));
    return stage;
  }

  /** The version of Postgres. */
  get postgresVersion(): string {
    return this.#postgres.version;
  }

  async props(): Promise<Props> {
    const name = `bench_${randomBytes(6).toString("hex")}`;
    await this.#execute(`create database ${name} template ${templateName} strategy file_copy`);
    // What the turn before left to be written must not be written in this one.
    await this.#execute("checkpoint");
    const folder = join(this.#folder, name);
    const redis = await RedisServer.start({ dataDirectory: folder });
    this.#redisServers.add(redis);
    return {
      databaseUrl: this.#urlOf(name),
      redisUrl: redis.url.replace("unix://", ""),
      folder,
      [Symbol.asyncDispose]: async () => {
        this.#redisServers.delete(redis);
        await redis[Symbol.asyncDispose]();
        await this.#execute(`drop database if exists ${name} with (force)`);
      },
    };
  }

  /** Ends everything, also what is in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const redis of this.#redisServers) await redis[Symbol.asyncDispose]();
    await this.#postgres[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #execute(text: string): Promise<void> {
    await using db = new Database(this.#postgres.url, { maxConnections: 1 });
    await db.session((session) => session.script(text));
  }

  #urlOf(database: string): string {
    return this.#postgres.url.replace(/\/[^/?]*\?/, `/${database}?`);
  }
}
