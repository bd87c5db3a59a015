import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { delay } from "../../../lib/async/delay.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../../lib/postgres/embedded-postgres.ts";
import { isConnectionLost, isOutcomeUnknown } from "../../../lib/postgres/errors.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";

let folder: TemporaryFolder;
let server: EmbeddedPostgres;
/** By way of the link in the data folder, which stays the same when the server is started again. */
let url: string;
const unhandled: unknown[] = [];
const remember = (error: unknown): void => void unhandled.push(error);

beforeAll(async () => {
  folder = await temporaryFolder("loss");
  server = await EmbeddedPostgres.start({ dataDirectory: folder.path });
  url = `postgres://postgres@/antiphon?host=${encodeURIComponent(join(folder.path, "socket"))}`;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", remember);
  process.on("uncaughtException", remember);
});

afterEach(() => {
  process.off("unhandledRejection", remember);
  process.off("uncaughtException", remember);
  if (unhandled.length > 0) throw new AggregateError(unhandled, "errors escaped");
});

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Resolves when statements succeed again. */
async function untilAnswering(db: Database): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  for (;;) {
    const error = await failureOf(db.ping());
    if (error === undefined) return;
    expect(isConnectionLost(error)).toBe(true);
    if (performance.now() > deadlineMs)
      throw new Error("the database does not answer again", { cause: error });
    await delay(20);
  }
}

async function killPostmaster(): Promise<void> {
  const pid = Number.parseInt(await readFile(join(folder.path, "cluster", "postmaster.pid"), "utf8"), 10);
  process.kill(pid, "SIGKILL");
  await server.ended;
}

/** Waits until the server runs a statement that contains `text`. */
async function untilRunning(db: Database, text: string): Promise<number> {
  for (;;) {
    const [row] = await db.query<{ pid: number }>(sql`
      select pid from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like ${`%${text}%`}
    `);
    if (row !== undefined) return row.pid;
    await delay(5);
  }
}

describe("when Postgres ends a connection", () => {
  test("the statement in flight has an unknown outcome and the next one succeeds", async () => {
    await using db = new Database(url);
    const sleeping = failureOf(db.query(sql`select pg_sleep(60) as terminated`));
    const pid = await untilRunning(db, "terminated");
    await db.query(sql`select pg_terminate_backend(${pid})`);
    const error = await sleeping;
    expect(isConnectionLost(error)).toBe(true);
    expect(isOutcomeUnknown(error)).toBe(true);
    await expect(db.query(sql`select 1 as alive`)).resolves.toEqual([{ alive: 1 }]);
  });

  test("the transaction on it rejects and never goes on elsewhere", async () => {
    await using db = new Database(url);
    await db.query(sql`create table if not exists survivor (name text)`);
    const error = await failureOf(
      db.transaction(async (transaction) => {
        const [own] = await transaction.query<{ pid: number }>(sql`select pg_backend_pid() as pid`);
        await failureOf(transaction.query(sql`select pg_terminate_backend(${own?.pid})`));
        await failureOf(transaction.query(sql`insert into survivor values ('outside')`));
      }),
    );
    expect(isConnectionLost(error)).toBe(true);
    await expect(db.query(sql`select name from survivor`)).resolves.toEqual([]);
  });
});

describe("when the server is killed", () => {
  test("everything in flight rejects, and all works again after it has come back", async () => {
    await using db = new Database(url, { maxConnections: 5 });
    await db.query(sql`create table if not exists kept (n int)`);
    for (let round = 1; round <= 3; round += 1) {
      await db.query(sql`insert into kept values (${round})`);
      const inFlight = Array.from({ length: 5 }, () => failureOf(db.query(sql`select pg_sleep(60)`)));
      const waiting = Array.from({ length: 20 }, () => failureOf(db.query(sql`select 1`)));
      await using observer = new Database(url);
      await untilRunning(observer, "pg_sleep");
      await killPostmaster();
      for (const error of await Promise.all([...inFlight, ...waiting]))
        expect(isConnectionLost(error)).toBe(true);
      const refused = await failureOf(db.query(sql`select 1`));
      expect(isConnectionLost(refused)).toBe(true);
      expect(isOutcomeUnknown(refused)).toBe(false);
      server = await EmbeddedPostgres.start({ dataDirectory: folder.path });
      await untilAnswering(db);
      await expect(db.query(sql`select count(*) as n from kept`)).resolves.toEqual([{ n: round }]);
    }
  });

  test("nothing escapes while many statements meet many kills of backends", async () => {
    await using db = new Database(url);
    const deadlineMs = performance.now() + 3_000;
    const outcomes = { fine: 0, lost: 0 };
    const busy = async (): Promise<void> => {
      while (performance.now() < deadlineMs) {
        const error = await failureOf(db.query(sql`select count(*) from generate_series(1, ${2000}::int)`));
        expect(error === undefined || isConnectionLost(error)).toBe(true);
        outcomes[error === undefined ? "fine" : "lost"] += 1;
      }
    };
    const killer = async (): Promise<void> => {
      while (performance.now() < deadlineMs) {
        await failureOf(
          db.query(
            sql`select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and random() < 0.5`,
          ),
        );
        await delay(3);
      }
    };
    await Promise.all([busy(), busy(), busy(), busy(), killer()]);
    expect(outcomes.fine).toBeGreaterThan(0);
    expect(outcomes.lost).toBeGreaterThan(0);
    await untilAnswering(db);
  });
});

describe("when something else answers in the place of Postgres", () => {
  let impostor: Server;
  let listening: string;
  const sockets = new Set<Socket>();

  async function serveWith(behaviour: (socket: Socket) => void): Promise<Database> {
    impostor = createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      behaviour(socket);
    });
    listening = join(folder.path, ".s.PGSQL.5432");
    await new Promise<void>((resolve) => impostor.listen(listening, resolve));
    return new Database(`postgres://postgres@/antiphon?host=${encodeURIComponent(folder.path)}`, {
      connectTimeoutMs: 300,
    });
  }

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => impostor.close(resolve));
  });

  test.each([
    ["hangs up at once", (socket: Socket) => void socket.end()],
    ["hangs up after the greeting", (socket: Socket) => void socket.once("data", () => socket.end())],
    ["never says a word", () => undefined],
  ])("one that %s is a lost connection, and closing is not held up", async (_, behaviour) => {
    const db = await serveWith(behaviour);
    const error = await failureOf(db.query(sql`select 1`));
    expect(isConnectionLost(error)).toBe(true);
    expect(isOutcomeUnknown(error)).toBe(false);
    await db.close();
  });
});

describe("closing", () => {
  test("lets statements end within the grace and then ends them", async () => {
    const db = new Database(url, { maxConnections: 2 });
    const short = failureOf(db.query(sql`select pg_sleep(0.2)`));
    const long = failureOf(db.query(sql`select pg_sleep(60)`));
    const waiting = failureOf(db.query(sql`select 1`));
    await using observer = new Database(url);
    await Promise.all([untilRunning(observer, "pg_sleep(0.2)"), untilRunning(observer, "pg_sleep(60)")]);
    await db.close(1_000);
    expect(await short).toBeUndefined();
    expect(isOutcomeUnknown(await long)).toBe(true);
    expect(await waiting).toMatchObject({ code: "CONNECTION_ENDED", phase: "connect" });
    expect(await failureOf(db.query(sql`select 1`))).toMatchObject({ code: "CONNECTION_ENDED" });
  });
});
