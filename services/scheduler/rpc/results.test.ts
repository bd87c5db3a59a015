import { Code, type ConnectRouter, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { logger } from "../../../lib/log/log.ts";
import { publicAccessOf } from "../../../lib/rpc/access.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { aCaller } from "../../../test/support/a-caller.ts";
import { aLease, aNode, aRun } from "../../../test/support/a-run.ts";
import { artifactKey } from "../artifact-key.ts";
import { downloadResults } from "./results.ts";

const paths = ["a.txt", "b/c.txt", "d.txt"];
const run = aRun([aNode("main")], {
  type: "task_ended",
  nodeId: "main",
  attempt: 1,
  report: 1,
  lease: aLease(),
  lastSeq: 0,
  files: paths.map((path) => ({ path, size: 1 })),
  outcome: { kind: "completed", output: null },
});
const keyOf = (path: string) => artifactKey({ runId: run.runId, nodeId: "main", attempt: 1, path });

/** Downloads the files of the run from a storage. */
async function download(storage: Pick<Storage, "get">): Promise<Buffer> {
  const service = {
    routes: (rpc: ConnectRouter) =>
      rpc.rpc(SchedulerService.method.downloadResults, downloadResults({ load: async () => run, storage })),
    access: publicAccessOf(SchedulerService),
    check: async () => undefined,
  };
  const transport = localTransport(service, {
    verify: async () => aCaller(),
    log: logger("test", "silent"),
    token: async () => "token",
  });
  const chunks: Uint8Array[] = [];
  const replies = createClient(SchedulerService, transport).downloadResults({ taskId: run.runId });
  for await (const { chunk } of replies) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("holds one file of an archive open at a time", async () => {
  let open = 0;
  let mostOpen = 0;
  const archive = await download({
    get: async () => {
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      return (async function* () {
        yield Buffer.from("x");
        open -= 1;
      })();
    },
  });
  expect(paths.filter((path) => archive.includes(path))).toEqual(paths);
  expect([open, mostOpen]).toEqual([0, 1]);
});

test("breaks a download of which a file is missing, instead of leaving it out", async () => {
  const get = async (key: string) =>
    key === keyOf("b/c.txt")
      ? undefined
      : (async function* () {
          yield Buffer.from("x");
        })();
  await expect(download({ get })).rejects.toMatchObject({ code: Code.Internal });
});
