import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { until } from "../../test/support/until.ts";
import { Uploads, type UploadsOptions } from "./uploads.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Notes nothing, and reads what it is to keep. */
const forgetful: UploadsOptions = {
  store: {
    begin: async () => ({ kind: "begun" }),
    complete: async ({ uploadId, size, md5 }) => {
      return { uploadId, fileName: "a.py", size, md5, createdAt: new Date(0) };
    },
    named: async () => undefined,
    read: async () => undefined,
    expire: async () => [],
    giveUp: async () => undefined,
    spend: async () => undefined,
    forget: async () => undefined,
  },
  storage: {
    async put(_key, content) {
      for await (const _piece of content);
    },
    get: async () => undefined,
    remove: async () => undefined,
  },
};

const file = { clientId: "alice", fileName: "a.py", isSingleUse: false };

// A piece may be empty, so there is no end to how many a caller may send of one file.
test("a file that is received holds on to none of the pieces that have gone by", async () => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let piece: Uint8Array | undefined = new Uint8Array(1);
    const first = new WeakRef(piece);
    yield piece;
    piece = undefined;
    yield new Uint8Array(1);
    await until("the first piece is gone", () => {
      collectGarbage();
      return first.deref() === undefined;
    });
    yield new Uint8Array(1);
  }
  const kept = await new Uploads(forgetful).keep(file, pieces(), new AbortController().signal);
  expect(kept.size).toBe(3);
});

test("a file whose caller is gone without a word is given up", async () => {
  const gone = new AbortController();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    gone.abort(new Error("gone"));
    await new Promise(() => undefined);
  }
  await expect(new Uploads(forgetful).keep(file, pieces(), gone.signal)).rejects.toThrow("gone");
});
