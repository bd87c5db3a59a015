import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "../../../lib/postgres/database.ts";
import { beginning, cursorText, parseCursor } from "../../../services/taskio/cursor.ts";
import {
  type Chunk,
  type TranscriptStore,
  transcriptStore,
} from "../../../services/taskio/transcript-store.ts";
import { freshDatabase } from "../../support/fresh-database.ts";

describe("the archive", () => {
  const stack = new AsyncDisposableStack();
  let store: TranscriptStore;
  beforeAll(async () => {
    const database = stack.use(await freshDatabase());
    store = transcriptStore(stack.use(new Database(database.url)));
  });
  afterAll(async () => {
    await stack.disposeAsync();
  });

  test("stores what follows, across attempts, and gives it back byte for byte", async () => {
    const taskId = randomUUID();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index * index);
    expect(
      await store.append([{ taskId, after: beginning, entries: [{ attempt: 1, seq: 1, body: bytes }] }]),
    ).toEqual(new Set([taskId]));
    await store.append([aChunk(taskId, "1-1", "1-2", "2-1", "2-2")]);
    expect((await store.heads([taskId, "other"])).get(taskId)).toEqual({ attempt: 2, seq: 2 });
    const [first, ...rest] = await read(taskId, "");
    expect(Buffer.compare(first?.body ?? new Uint8Array(), bytes)).toBe(0);
    expect(rest.map(cursorText)).toEqual(["1-2", "2-1", "2-2"]);
    expect((await read(taskId, "1-2")).map(cursorText)).toEqual(["2-1", "2-2"]);
  });

  test.each([
    ["a chunk after a gap", "1-5", ["1-6"]],
    ["one that begins before the end", "1-1", ["1-2", "1-3"]],
    ["the beginning again", "", ["1-1"]],
    ["one of another attempt's place", "2-3", ["2-4"]],
  ])("refuses %s, and stores the others of the statement", async (_, after, places) => {
    const [taskId, other] = [randomUUID(), randomUUID()];
    await store.append([aChunk(taskId, "", "1-1", "1-2", "1-3")]);
    const stored = await store.append([aChunk(taskId, after, ...places), aChunk(other, "", "1-1")]);
    expect(stored).toEqual(new Set([other]));
    expect((await read(taskId, "")).map(cursorText)).toEqual(["1-1", "1-2", "1-3"]);
    expect((await read(other, "")).map(cursorText)).toEqual(["1-1"]);
  });

  test("refuses to go on where nothing has begun", async () => {
    const taskId = randomUUID();
    expect(await store.append([aChunk(taskId, "1-3", "1-4")])).toEqual(new Set());
    expect(await read(taskId, "")).toEqual([]);
  });

  test("lets one of many win each step, in whatever order they name the tasks", async () => {
    const taskIds = Array.from({ length: 20 }, () => randomUUID());
    let places = ["", "1-1"] as const as readonly [string, string];
    for (let step = 2; step < 12; step++) {
      const [after, next] = places;
      const attempts = Array.from({ length: 8 }, async (_, index) => {
        const chunks = taskIds.map((taskId) => aChunk(taskId, after, next));
        return await store.append(index % 2 === 0 ? chunks : chunks.toReversed());
      });
      const won = (await Promise.all(attempts)).flatMap((stored) => [...stored]);
      expect(won.sort()).toEqual(taskIds.toSorted());
      places = [next, `1-${step}`];
    }
    for (const taskId of taskIds) expect(await read(taskId, "")).toHaveLength(10);
  });

  test("reads at least one entry and no more than fit", async () => {
    const taskId = randomUUID();
    const body = new Uint8Array(1_000);
    const entries = Array.from({ length: 10 }, (_, index) => ({ attempt: 1, seq: index + 1, body }));
    await store.append([{ taskId, after: beginning, entries }]);
    const sizes = [1, 1_000, 3_500, 100_000].map(
      async (maxBytes) => (await store.read({ taskId, after: beginning, maxCount: 8, maxBytes })).length,
    );
    expect(await Promise.all(sizes)).toEqual([1, 1, 3, 8]);
  });

  async function read(taskId: string, after: string) {
    return await store.read({ taskId, after: place(after), maxCount: 100, maxBytes: 1_000_000 });
  }
});

function aChunk(taskId: string, after: string, ...places: readonly string[]): Chunk {
  const entries = places.map((text) => ({ ...place(text), body: Buffer.from(text) }));
  return { taskId, after: place(after), entries };
}

function place(text: string) {
  const cursor = parseCursor(text);
  if (cursor === undefined) throw new Error(`${text} is no cursor`);
  return cursor;
}
