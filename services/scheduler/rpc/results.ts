import { Readable } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ZipFile } from "yazl";
import {
  DownloadResultsResponseSchema,
  type SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { artifactKey } from "../artifact-key.ts";
import { isFinalTask } from "../core/task-state.ts";
import { type LoadRun, owningOf, taskFor } from "./access.ts";

/** The largest piece of an archive. */
const chunkBytes = 256 * 1024;

export interface ResultsDeps {
  readonly load: LoadRun;
  readonly storage: Pick<Storage, "get">;
}

/** DownloadResults: the files of a task as a zip archive, made as it is read. */
export function downloadResults(deps: ResultsDeps): ServiceImpl<typeof SchedulerService>["downloadResults"] {
  return async function* ({ taskId }, context) {
    const { run, task, nodeId } = await taskFor(owningOf(context), taskId, deps.load);
    if (!isFinalTask(task.state)) {
      throw new DomainError("NOT_ENDED", "the task has not ended", { run_id: run.runId });
    }
    const archive = new ZipFile();
    const output = Readable.from(archive.outputStream as AsyncIterable<Buffer>);
    archive.on("error", (error: Error) => output.destroy(error));
    let reading: Readable | undefined;
    const open = async (path: string): Promise<Readable> => {
      const key = artifactKey({ runId: run.runId, nodeId, attempt: task.attempt, path });
      const content = await deps.storage.get(key);
      if (content === undefined) throw new Error(`artifact ${key} is not in storage`);
      reading = Readable.from(content);
      return reading;
    };
    try {
      for (const { path } of task.files) {
        // Opened when its turn comes, so that a download holds one file open at a time.
        archive.addReadStreamLazy(path, { mtime: task.endedAt ?? run.createdAt }, (opened) => {
          open(path).then(
            (content) => opened(null, content),
            (error: unknown) => archive.emit("error", error),
          );
        });
      }
      archive.end();
      for await (const bytes of output as AsyncIterable<Buffer>) {
        for (let from = 0; from < bytes.length; from += chunkBytes) {
          yield create(DownloadResultsResponseSchema, { chunk: bytes.subarray(from, from + chunkBytes) });
        }
      }
    } finally {
      output.destroy();
      reading?.destroy();
    }
  };
}
