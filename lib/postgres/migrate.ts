/*
 * Brings the schema of one service to the state that its files describe.
 *
 *   M1. One process at a time migrates a schema: it holds the schema's advisory
 *       lock from reading the ledger to the end. The lock belongs to the session
 *       because an `-- online` file has no transaction to hold it; a process
 *       that dies gives it back with its connection.
 *   M2. Nobody waits for that lock inside Postgres. A waiting statement holds a
 *       snapshot, and `create index concurrently` waits for all snapshots: the
 *       two would wait for each other. So the lock is tried again and again.
 *   M3. A migration and its ledger row are one transaction. An `-- online` file
 *       has none: killed half-way it runs again, so its statements must bear that.
 *   M4. What is in the ledger is never run again, and must still be what is in
 *       the files.
 */
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../async/delay.ts";
import type { Database, Session } from "./database.ts";
import { type MigrationFile, migrationFiles } from "./migration-file.ts";
import { Statement, sql } from "./sql.ts";

/** One migration that was applied. */
export interface AppliedMigration {
  readonly schema: string;
  /** The file's name, `0001_history.sql`. */
  readonly name: string;
  readonly durationMs: number;
}

interface LedgerRow {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
  readonly breaking: string | null;
}

/** Sets our advisory locks apart from those of others in the same database. */
const lockClass = 0x616e7469;

const lockRetryMs = 50;

/** How long another process may hold the lock; a migration of a large table takes its time. */
const lockPatienceMs = 30 * 60_000;

/**
 * Applies the migrations of `directory` that the ledger `<schema>.migration`
 * does not have, in order, and answers them; the schema is made if missing. Any
 * number of processes may do it at once.
 *
 * Rejects, naming the file, when an applied file was edited, renamed or removed;
 * and when the ledger has a migration marked `-- breaking:` that the files do
 * not know, since this code can not run on that schema. Other migrations from
 * newer code are let be.
 */
export async function migrate(
  db: Database,
  { schema, directory }: { readonly schema: string; readonly directory: string },
): Promise<AppliedMigration[]> {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) throw new Error(`${schema} is no name for a schema`);
  const files = await migrationFiles(directory);
  return db.session(async (session) => {
    await takeLock(session, schema);
    const pending = filesAfter(await ledger(session, schema), { files, directory });
    const applied: AppliedMigration[] = [];
    for (const file of pending) {
      const beganAtMs = performance.now();
      await (file.isOnline ? applyOnline : applyAtOnce)(session, schema, file).catch((error: unknown) => {
        throw new Error(`${join(directory, file.name)}: ${(error as Error).message}`, { cause: error });
      });
      applied.push({ schema, name: file.name, durationMs: Math.round(performance.now() - beganAtMs) });
    }
    return applied;
  });
}

/** Migrates every service that has `<services>/<name>/migrations`, in the order of their names, each in the schema of its name. */
export async function migrateServices(db: Database, services: string): Promise<AppliedMigration[]> {
  const applied: AppliedMigration[] = [];
  for (const name of (await readdir(services)).sort()) {
    const directory = join(services, name, "migrations");
    const hasMigrations = await access(directory).then(
      () => true,
      () => false,
    );
    if (hasMigrations) applied.push(...(await migrate(db, { schema: name.replaceAll("-", "_"), directory })));
  }
  return applied;
}

async function takeLock(session: Session, schema: string): Promise<void> {
  const deadlineMs = performance.now() + lockPatienceMs;
  for (;;) {
    const [lock] = await session.query<{ taken: boolean }>(
      sql`select pg_try_advisory_lock(${lockClass}::int, hashtext(${schema})) as taken`,
    );
    if (lock?.taken === true) return;
    if (performance.now() > deadlineMs)
      throw new Error(`another process keeps migrating the schema ${schema}`);
    await delay(lockRetryMs);
  }
}

async function ledger(session: Session, schema: string): Promise<LedgerRow[]> {
  await session.script(`
    create schema if not exists ${schema};
    create table if not exists ${schema}.migration (
      number integer constraint migration_pkey primary key,
      name text not null,
      checksum text not null,
      breaking text,
      applied_at timestamptz not null default now()
    )`);
  return session.query(
    new Statement(`select number, name, checksum, breaking from ${schema}.migration order by number`, []),
  );
}

/** The files that are still to be applied, after checking that those applied are still the same. */
function filesAfter(
  rows: readonly LedgerRow[],
  { files, directory }: { readonly files: readonly MigrationFile[]; readonly directory: string },
): readonly MigrationFile[] {
  for (const [index, row] of rows.entries()) {
    const path = join(directory, row.name);
    if (row.number !== index + 1)
      throw new Error(`${path}: it was applied, and migration ${index + 1} before it was not`);
    const file = files[index];
    if (file === undefined && row.breaking !== null) {
      throw new Error(
        `${path}: newer code applied it and this code can not run on that schema: ${row.breaking}`,
      );
    }
    if (file === undefined) continue;
    if (file.name !== row.name) throw new Error(`${path}: it was applied, and is called ${file.name} now`);
    if (file.checksum !== row.checksum)
      throw new Error(`${path}: it was edited after it was applied; add a new migration instead`);
  }
  return files.slice(rows.length);
}

async function applyAtOnce(session: Session, schema: string, file: MigrationFile): Promise<void> {
  await session.transaction(async (transaction) => {
    await transaction.script(file.text);
    await transaction.query(ledgerEntry(schema, file));
  });
}

/** Runs each statement by itself: several sent at once would be one transaction. A statement ends with a semicolon at the end of a line. */
async function applyOnline(session: Session, schema: string, file: MigrationFile): Promise<void> {
  const statements = file.text.replaceAll(/^\s*--.*$/gm, "").split(/;\s*$/m);
  for (const statement of statements) {
    if (statement.trim() !== "") await session.script(statement);
  }
  await session.query(ledgerEntry(schema, file));
}

function ledgerEntry(schema: string, { number, name, checksum, breaking }: MigrationFile): Statement {
  return new Statement(
    `insert into ${schema}.migration (number, name, checksum, breaking) values ($1, $2, $3, $4)`,
    [number, name, checksum, breaking],
  );
}
