import { expect, test } from "vitest";
import { partitionOf } from "../../lib/ids/partition.ts";
import { logger } from "../../lib/log/log.ts";
import { aNode, aStart } from "../../test/support/a-run.ts";
import type { Committed } from "./commit-batch.ts";
import type { Batch } from "./history-store.ts";
import { type Decision, Owner } from "./owner.ts";

const runId = "00000000-0000-8000-8000-000000000000";
const partition = partitionOf(runId);

/** An owner of the run's partition whose commits end when the test says so. */
function anOwner() {
  const commits: { readonly batch: Batch; readonly end: (outcome: "appended" | "fenced") => void }[] = [];
  const committed: Committed[] = [];
  const owner = new Owner({
    incarnation: "i1",
    history: {
      append: async (batch) => {
        const { promise, resolve } = Promise.withResolvers<"appended" | "fenced">();
        commits.push({ batch, end: resolve });
        return await promise;
      },
    },
    load: async () => undefined,
    clock: () => new Date(0),
    newsOf: () => undefined,
    onCommitted: (more) => void committed.push(...more),
    onDropped: () => undefined,
    log: logger("test", "silent"),
  });
  owner.extendLease(Number.POSITIVE_INFINITY);
  owner.adopt([{ partition, epoch: 1 }], []);
  const stop = new AbortController();
  const committing = owner.commitLoop(stop.signal);
  const turn = async () => await new Promise((resolve) => setImmediate(resolve));
  return {
    owner,
    committed,
    batches: () => commits.map(({ batch }) => batch),
    /** Ends the commit in flight. */
    endCommit: async (outcome: "appended" | "fenced") => {
      await turn();
      commits.at(-1)?.end(outcome);
      await turn();
    },
    stop: async () => {
      stop.abort();
      await committing;
    },
  };
}

const started = (): Decision<string> => ({ facts: [aStart([aNode("A")])], result: "started" });

const refused = (): never => {
  throw new Error("refused");
};

test("refuses only after a commit has shown that what it decided on is history", async () => {
  const { owner, endCommit, stop } = anOwner();
  const starting = owner.execute(runId, started, { isNew: true });
  let refusal: unknown;
  const refusing = owner.execute(runId, refused).catch((error: unknown) => {
    refusal = error;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(refusal).toBeUndefined();
  await endCommit("appended");
  await Promise.all([starting, refusing]);
  expect(refusal).toMatchObject({ message: "refused" });
  await stop();
});

test("shows the record of a run it owns, and none past its lease or of a lost partition", async () => {
  const { owner, endCommit, stop } = anOwner();
  expect(owner.recordOf(runId)).toBeUndefined();
  const starting = owner.execute(runId, started, { isNew: true });
  await endCommit("appended");
  await starting;
  expect(owner.recordOf(runId)).toMatchObject({ runId, seq: 1 });
  owner.extendLease(0);
  expect(owner.recordOf(runId)).toBeUndefined();
  owner.extendLease(Number.POSITIVE_INFINITY);
  expect(owner.recordOf(runId)).toBeUndefined();
  await stop();
});

test("tells who is to be refused that the owner is away when its partition is lost", async () => {
  const { owner, endCommit, stop } = anOwner();
  const refusing = owner.execute(runId, refused);
  refusing.catch(() => undefined);
  await endCommit("fenced");
  await expect(refusing).rejects.toMatchObject({ reason: "OWNER_UNAVAILABLE" });
  await stop();
});

test("answers what was in flight when the partition was lost, and lets nothing of it out", async () => {
  const { owner, committed, endCommit, stop } = anOwner();
  const starting = owner.execute(runId, started, { isNew: true });
  await new Promise((resolve) => setImmediate(resolve));
  owner.lose(new Set([partition]));
  owner.adopt([{ partition, epoch: 2 }], []);
  await endCommit("appended");
  await expect(starting).resolves.toBe("started");
  expect(committed).toEqual([]);
  expect(owner.claims.get(partition)?.epoch).toBe(2);
  await stop();
});

test("keeps a partition that it claimed anew when a commit of the claim before is refused", async () => {
  const { owner, endCommit, stop } = anOwner();
  const starting = owner.execute(runId, started, { isNew: true });
  starting.catch(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  owner.lose(new Set([partition]));
  owner.adopt([{ partition, epoch: 2 }], []);
  await endCommit("fenced");
  await expect(starting).rejects.toMatchObject({ reason: "OWNER_UNAVAILABLE" });
  expect(owner.claims.get(partition)?.epoch).toBe(2);
  await stop();
});

test("bounds the bytes of one commit", async () => {
  const { owner, batches, endCommit, stop } = anOwner();
  const program = { content: new Uint8Array(5 * 1024 * 1024), sealedEnv: undefined };
  const starts = Array.from({ length: 7 }, async (_, index) => {
    const id = `${runId.slice(0, -1)}${index}`;
    return await owner.execute(id, () => ({ ...started(), program }), { isNew: true });
  });
  await endCommit("appended");
  await endCommit("appended");
  await endCommit("appended");
  await Promise.all(starts);
  expect(batches().map(({ programs }) => programs.length)).toEqual([3, 3, 1]);
  await stop();
});

// A timer that came due in an outage of Postgres was refused, and never fired: the partition was neither lost nor folded anew.
test("loses what it owned past its lease when it gets another, so that all of it is folded anew", async () => {
  const { owner, stop } = anOwner();
  owner.extendLease(0);
  await expect(owner.execute(runId, started, { isNew: true })).rejects.toMatchObject({
    reason: "OWNER_UNAVAILABLE",
  });
  expect(owner.claims.size).toBe(1);
  owner.extendLease(Number.POSITIVE_INFINITY);
  expect(owner.claims.size).toBe(0);
  owner.adopt([{ partition, epoch: 2 }], []);
  owner.extendLease(Number.POSITIVE_INFINITY);
  expect(owner.claims.size).toBe(1);
  await stop();
});
