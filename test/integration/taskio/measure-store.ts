import { randomUUID } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { Database } from "../../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../../lib/postgres/embedded-postgres.ts";
import { migrate } from "../../../lib/postgres/migrate.ts";
import { transcriptStore } from "../../../services/taskio/transcript-store.ts";

const pg = await EmbeddedPostgres.start({ dataDirectory: await mkdtemp("/tmp/taskio-measure/pg") });
const db = new Database(pg.url);
await migrate(db, {
  schema: "taskio",
  directory: new URL("../../../services/taskio/migrations", import.meta.url).pathname,
});
console.log(
  await db.query({
    text: "select name, setting from pg_settings where name in ('wal_level','fsync','synchronous_commit','full_page_writes','shared_buffers','wal_buffers','max_wal_size','wal_compression','default_toast_compression')",
    values: [],
  }),
);
const store = transcriptStore(db);
const body = Buffer.from(("x".repeat(99) + "\n").repeat(640));
for (const storage of ["external", "extended", "lz4"]) {
  await db
    .query({
      text:
        storage === "lz4"
          ? "alter table taskio.transcript_entry alter column body set compression lz4"
          : `alter table taskio.transcript_entry alter column body set storage ${storage}`,
      values: [],
    })
    .catch((e) => console.log(String(e)));
  for (const per of [8, 32, 64]) {
    const taskId = randomUUID();
    let seq = 0;
    const began = performance.now();
    const cpu = process.cpuUsage();
    while (performance.now() - began < 4000) {
      const after = seq === 0 ? { attempt: 0, seq: 0 } : { attempt: 1, seq };
      const entries = Array.from({ length: per }, () => ({ attempt: 1, seq: ++seq, body }));
      await store.append([{ taskId, after, entries }]);
    }
    const s = (performance.now() - began) / 1000;
    const u = process.cpuUsage(cpu);
    console.log(
      storage,
      per,
      "x64K:",
      ((seq * body.length) / 1e6 / s).toFixed(0),
      "MB/s; node cpu",
      ((u.user + u.system) / 1e6 / s).toFixed(2),
    );
  }
}
await db[Symbol.asyncDispose]();
await pg[Symbol.asyncDispose]();
process.exit(0);
