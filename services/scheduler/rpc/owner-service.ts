import type { ServiceImpl } from "@connectrpc/connect";
import type { HearWorkerRequest, OwnerService } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { Commands } from "../commands.ts";
import type { Standing } from "../hear-worker.ts";
import { type OwnedRunNews, ownedRunNews } from "../owned-run-news.ts";

export interface OwnerServiceDeps {
  readonly commands: Pick<Commands, "execute">;
  readonly hearHere: (request: HearWorkerRequest) => Promise<Standing>;
  readonly owned: OwnedRunNews;
}

/** What other replicas ask of this one. */
export function ownerService({
  commands,
  hearHere,
  owned,
}: OwnerServiceDeps): ServiceImpl<typeof OwnerService> {
  return {
    async execute(request) {
      await commands.execute(request);
      return {};
    },

    async hearWorker(request) {
      const { controls, renewed } = await hearHere(request);
      return { controls: [...controls], renewed: [...renewed] };
    },

    async *watchOwnedRun({ runId, afterSeq }, { signal }) {
      for await (const news of ownedRunNews(owned, { runId, afterSeq }, signal)) yield { news };
    },
  };
}
