import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { delay } from "../../../lib/async/delay.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../../lib/postgres/embedded-postgres.ts";
import { postgresProcesses } from "../../../lib/postgres/postgres-processes.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";

let folder: TemporaryFolder;
let dataDirectory: string;
let cluster: string;
const starters: ChildProcess[] = [];

beforeEach(async () => {
  folder = await temporaryFolder("embedded");
  dataDirectory = join(folder.path, "postgres");
  cluster = join(dataDirectory, "cluster");
});

afterEach(async () => {
  for (const starter of starters.splice(0)) starter.kill("SIGKILL");
  await untilNobodyIsLeft();
  await folder[Symbol.asyncDispose]();
});

async function untilNobodyIsLeft(): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while ((await postgresProcesses(cluster)).length > 0) {
    if (performance.now() > deadlineMs) throw new Error("Postgres processes are left");
    await delay(20);
  }
}

/** A process that starts the server and answers its URL. */
async function startElsewhere(
  options: { uid?: number } = {},
): Promise<{ starter: ChildProcess; url: string }> {
  const program = fileURLToPath(new URL("start-embedded.ts", import.meta.url));
  const starter = spawn(process.execPath, [program, dataDirectory], {
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
  starters.push(starter);
  const [line] = (await once(starter.stdout, "data")) as [Buffer];
  return { starter, url: line.toString().trim() };
}

async function names(url: string): Promise<unknown[]> {
  await using db = new Database(url);
  await db.query(sql`create table if not exists entry (name text)`);
  const rows = await db.query<{ name: string }>(sql`select name from entry`);
  return rows.map(({ name }) => name);
}

async function insert(url: string, name: string): Promise<void> {
  await using db = new Database(url);
  await db.query(sql`create table if not exists entry (name text)`);
  await db.query(sql`insert into entry values (${name})`);
}

describe("an embedded server", () => {
  test("keeps its data from one start to the next and leaves nothing behind", async () => {
    let sockets: string;
    {
      await using server = await EmbeddedPostgres.start({ dataDirectory });
      sockets = await readlink(join(dataDirectory, "socket"));
      await insert(server.url, "first");
      expect(server.version).toMatch(/^\d+\.\d+$/);
    }
    expect(await postgresProcesses(cluster)).toEqual([]);
    await expect(readdir(sockets)).rejects.toMatchObject({ code: "ENOENT" });
    await using again = await EmbeddedPostgres.start({ dataDirectory });
    expect(await names(again.url)).toEqual(["first"]);
  });

  test("is reached by nobody but its user, and syncs to the disk", async () => {
    await using server = await EmbeddedPostgres.start({ dataDirectory });
    await using db = new Database(server.url);
    const [settings] = await db.query(sql`
      select current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync,
        current_setting('TimeZone') as zone, getdatabaseencoding() as encoding
    `);
    expect(settings).toEqual({ addresses: "", fsync: "on", zone: "UTC", encoding: "UTF8" });
    const { mode } = await stat(join(dataDirectory, "socket"));
    expect(mode & 0o777).toBe(0o700);
  });

  test("ends by itself when its starter is killed, and starts again at once with all data", async () => {
    const { starter, url } = await startElsewhere();
    await insert(url, "before the kill");
    starter.kill("SIGKILL");
    await once(starter, "exit");
    await untilNobodyIsLeft();
    await using again = await EmbeddedPostgres.start({ dataDirectory });
    expect(await names(again.url)).toEqual(["before the kill"]);
  });

  test("recovers what was committed when it is killed itself", async () => {
    {
      await using server = await EmbeddedPostgres.start({ dataDirectory });
      await insert(server.url, "committed");
      for (const pid of await postgresProcesses(cluster)) process.kill(pid, "SIGKILL");
      expect(await server.ended).toBe("signal SIGKILL");
    }
    await using again = await EmbeddedPostgres.start({ dataDirectory });
    expect(await names(again.url)).toEqual(["committed"]);
  });

  test("is ended by the next start when it outlives its starter", async () => {
    await using first = await EmbeddedPostgres.start({ dataDirectory });
    await insert(first.url, "kept");
    await using second = await EmbeddedPostgres.start({ dataDirectory });
    await first.ended;
    expect(await names(second.url)).toEqual(["kept"]);
  });

  test("is not fooled by a process that got the number of a dead server", async () => {
    await EmbeddedPostgres.start({ dataDirectory }).then((server) => server[Symbol.asyncDispose]());
    const bystander = spawn("sleep", ["600"], { cwd: cluster });
    const lines = [bystander.pid, cluster, 1, 5432, "/nowhere", "", " 1 1", "ready   ", ""];
    await writeFile(join(cluster, "postmaster.pid"), lines.join("\n"));
    await using server = await EmbeddedPostgres.start({ dataDirectory });
    expect(await names(server.url)).toEqual([]);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    bystander.kill();
  });

  test("begins anew after a first start that was killed half-way", async () => {
    await mkdir(join(dataDirectory, "cluster.unfinished", "base"), { recursive: true });
    await writeFile(join(dataDirectory, "cluster.unfinished", "PG_VERSION"), "18\n");
    await using server = await EmbeddedPostgres.start({ dataDirectory });
    expect(await names(server.url)).toEqual([]);
  });

  test("works below a folder that is closed to everybody else", async () => {
    await chmod(folder.path, 0o700);
    await using server = await EmbeddedPostgres.start({ dataDirectory });
    expect(await names(server.url)).toEqual([]);
  });

  test("rejects, leaving nothing, when a setting is wrong, and its log says why", async () => {
    await expect(
      EmbeddedPostgres.start({ dataDirectory, settings: { shared_buffers: "much" } }),
    ).rejects.toThrow(/did not start, see/);
    expect(await readFile(join(dataDirectory, "log"), "utf8")).toContain("shared_buffers");
    expect(await postgresProcesses(cluster)).toEqual([]);
  });

  test("refuses a cluster of another Postgres version", async () => {
    await mkdir(cluster, { recursive: true });
    await writeFile(join(cluster, "PG_VERSION"), "12\n");
    await expect(EmbeddedPostgres.start({ dataDirectory })).rejects.toThrow(/written by Postgres 12/);
  });
});

describe("as an ordinary user", () => {
  test("the server runs as that user", async () => {
    const uid = process.getuid?.() === 0 ? 65_534 : Number(process.getuid?.());
    await chmod(folder.path, 0o755);
    await mkdir(dataDirectory);
    await chown(dataDirectory, uid, -1);
    const { starter } = await startElsewhere({ uid });
    const [pid] = await postgresProcesses(cluster);
    expect(await readFile(`/proc/${pid}/status`, "utf8")).toMatch(new RegExp(`^Uid:\\s+${uid}\\s`, "m"));
    starter.kill("SIGTERM");
    expect(await once(starter, "exit")).toEqual([0, null]);
  });
});
