import type { ServiceImpl } from "@connectrpc/connect";
import type { TranscriptService } from "../../../gen/antiphon/internal/v1/transcript_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";

const maxRuns = 1_000;

/** What the scheduler asks about stored transcripts. */
export function transcriptService({
  remove,
}: {
  /** Removes a part of the transcripts of runs; answers whether nothing is left. */
  readonly remove: (runIds: readonly string[]) => Promise<boolean>;
}): ServiceImpl<typeof TranscriptService> {
  return {
    async deleteTranscripts({ runIds }) {
      if (runIds.length === 0 || runIds.length > maxRuns || !runIds.every(isRunId)) {
        const message = `are not from 1 to ${maxRuns} ids of runs`;
        throw DomainError.ofFaults([{ path: "run_ids", reason: "FIELD_INVALID", message }]);
      }
      return { done: await remove(runIds) };
    },
  };
}
