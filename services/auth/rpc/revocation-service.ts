import type { ServiceImpl } from "@connectrpc/connect";
import type { RevocationService } from "../../../gen/antiphon/internal/v1/revocation_service_pb.ts";
import { revocationMessage } from "../../../lib/rpc/revocation-message.ts";
import type { RevocationFeed } from "../revocation-feed.ts";

/** Tells services what was taken back. */
export function revocationService(
  feed: Pick<RevocationFeed, "watch">,
): ServiceImpl<typeof RevocationService> {
  return {
    async *watchRevocations(_request, { signal }) {
      for await (const { revocations, complete } of feed.watch(signal))
        yield { revocations: revocations.map(revocationMessage), complete };
    },
  };
}
