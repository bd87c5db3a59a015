import type { Storage } from "../../lib/storage/storage.ts";
import { artifactKey } from "./artifact-key.ts";
import type { KeptOutput } from "./core/event.ts";
import { type Run, taskOf } from "./core/run.ts";

/**
 * Keeps the files of nodes whose outputs a repetition keeps as files of the new
 * run, where it finds them when the run is deleted that it repeats. To be done
 * before the new run begins; may be repeated.
 */
export async function keepFiles(
  storage: Pick<Storage, "copy">,
  {
    former,
    runId,
    kept,
  }: { readonly former: Run; readonly runId: string; readonly kept: readonly KeptOutput[] },
): Promise<void> {
  for (const { nodeId, files } of kept) {
    const attempt = taskOf(former, nodeId)?.attempt ?? 0;
    for (const { path } of files) {
      const from = artifactKey({ runId: former.runId, nodeId, attempt, path });
      // Nothing was carried out in the new run: there it is no attempt's.
      await storage.copy(from, artifactKey({ runId, nodeId, attempt: 0, path }));
    }
  }
}
