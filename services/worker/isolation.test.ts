import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { openIsolation } from "./isolation.ts";

test("a worker without slots for programs needs no isolation", async () => {
  const isolation = await openIsolation({
    backend: "bubblewrap",
    allowUnsafeProcess: false,
    directory: tmpdir(),
    slots: 0,
    pythonPath: undefined,
    environmentBytes: 1,
  });
  expect(isolation).toMatchObject({ kind: "unusable", reason: "PROGRAM_SLOTS is 0" });
});
