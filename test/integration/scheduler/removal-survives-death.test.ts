import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Bell } from "../../../lib/async/bell.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { logger } from "../../../lib/log/log.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { fileStorage } from "../../../lib/storage/file-storage.ts";
import { artifactKey } from "../../../services/scheduler/artifact-key.ts";
import { type RemovalLoop, removalLoop, removalTurn } from "../../../services/scheduler/removal-loop.ts";
import { removalStore } from "../../../services/scheduler/removal-store.ts";
import { removeTranscripts } from "../../../services/taskio/remove-transcripts.ts";
import { transcriptStore } from "../../../services/taskio/transcript-store.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import { type FreshDatabase } from "../../support/start-postgres.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { allClaims, putEndedRuns, rowsOf } from "./runs-to-remove.ts";

const log = logger("test", "silent");

describe("the removal of runs", () => {
  const stack = new AsyncDisposableStack();
  let database: FreshDatabase;
  let db: Database;
  let folder: string;

  beforeAll(async () => {
    database = stack.use(await freshDatabase());
    db = stack.use(new Database(database.url));
    folder = stack.use(await temporaryFolder("removal")).path;
  });
  afterAll(async () => await stack.disposeAsync());

  function parts(): RemovalLoop {
    const transcripts = { store: transcriptStore(db), broker: new MemoryBroker() };
    return {
      owner: { claims: allClaims },
      store: removalStore(db),
      storage: fileStorage(folder),
      removeTranscripts: async (runIds) => await removeTranscripts(transcripts, runIds),
      retentionMs: 3_600_000,
      asked: new Bell(),
      log,
    };
  }

  const keyOf = (runId: string) => artifactKey({ runId, nodeId: "A", attempt: 1, path: "a.txt" });

  async function putFiles(runIds: readonly string[]): Promise<void> {
    for (const runId of runIds) {
      await fileStorage(folder).put(
        keyOf(runId),
        (async function* () {
          yield Buffer.from("text");
        })(),
      );
    }
  }

  async function filesOf(runIds: readonly string[]): Promise<number> {
    let count = 0;
    for (const runId of runIds) {
      const content = await fileStorage(folder).get(keyOf(runId));
      if (content === undefined) continue;
      for await (const _ of content);
      count += 1;
    }
    return count;
  }

  /** Runs a loop until nothing of these runs is left. */
  async function finish(runIds: readonly string[]): Promise<void> {
    const stop = new AbortController();
    const loop = removalLoop(parts(), stop.signal);
    try {
      await until("all is removed", async () => (await rowsOf(db, runIds)) === 0, 60_000);
    } finally {
      stop.abort();
      await loop;
    }
  }

  test("goes on at another owner wherever the first one dies, before a step or after it", async () => {
    const kept = await putEndedRuns(db, { count: 3, hoursAgo: 0 });
    await putFiles(kept);
    const old: string[] = [];
    let deaths = 0;
    for (;;) {
      // Those that were emptied by now, so that the turn also has some to forget.
      await db.query(sql`
        update scheduler.run
        set
          removed_at = now() - interval '2 hours',
          forget_at = now() - interval '1 hour',
          ended_at = now() - interval '130 minutes'
        where removed_at is not null
      `);
      const some = await putEndedRuns(db, { count: 2, hoursAgo: 48 });
      await putFiles(some);
      old.push(...some);
      if (!(await dieAt(parts(), deaths))) break;
      deaths += 1;
    }
    expect(deaths).toBeGreaterThan(20);
    await finish(old);
    expect(await filesOf(old)).toBe(0);
    expect(await rowsOf(db, kept)).toBe(3 * (5 + 1 + 1 + 1 + 1 + 2));
    expect(await filesOf(kept)).toBe(3);
  });

  test("leaves nothing half removed when its process is killed in the middle", async () => {
    const old = await putEndedRuns(db, { count: 2_000, hoursAgo: 48 });
    await putFiles(old.slice(0, 200));
    const before = await rowsOf(db, old);
    for (const share of [0.8, 0.3]) {
      const child = spawn(process.execPath, [fileURLToPath(new URL("removal-program.ts", import.meta.url))], {
        env: { PATH: process.env["PATH"], DATABASE_URL: database.url, STORAGE_DIR: folder },
        stdio: "ignore",
      });
      const exited = once(child, "exit");
      try {
        await until("some of it is removed", async () => (await rowsOf(db, old)) < before * share, 60_000);
      } finally {
        child.kill("SIGKILL");
        await exited;
      }
    }
    await finish(old);
    expect(await filesOf(old)).toBe(0);
    const rows = await db.query<{ is_hidden: boolean }>(sql`
      select deleted_at is not null as is_hidden from scheduler.run where run_id = any (${old}::uuid[])
    `);
    expect(rows.every((row) => row.is_hidden)).toBe(true);
  });
});

/** Carries out a turn up to a step, counted on both sides of each, and lets nothing happen from then on. Answers false when the turn came to its end. */
async function dieAt(parts: RemovalLoop, step: number): Promise<boolean> {
  let passed = 0;
  const point = (): void => {
    passed += 1;
    if (passed > step) throw new Error("dead");
  };
  const mortal =
    <Arguments extends readonly unknown[], Result>(work: (...given: Arguments) => Promise<Result>) =>
    async (...given: Arguments): Promise<Result> => {
      point();
      const result = await work(...given);
      point();
      return result;
    };
  const store = Object.fromEntries(
    Object.entries(parts.store).map(([name, work]) => [name, mortal(work as () => Promise<unknown>)]),
  ) as unknown as typeof parts.store;
  const mortals = {
    ...parts,
    store,
    storage: { remove: mortal(parts.storage.remove) },
    removeTranscripts: mortal(parts.removeTranscripts),
  };
  try {
    const { failed } = await removalTurn(mortals, undefined, new AbortController().signal);
    return failed > 0;
  } catch {
    return true;
  }
}
