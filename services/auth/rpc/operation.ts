import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { AuditStore } from "../audit-store.ts";
import type { SigningKeys } from "../signing-keys.ts";
import { validAuditPage } from "../validate.ts";
import { managerOf } from "./caller.ts";
import { numberedPlace, pageToken } from "./page-token.ts";

export interface OperationNeeds {
  readonly keys: Pick<SigningKeys, "rotate">;
  readonly audit: Pick<AuditStore, "list">;
}

const list = "audit";

/** Answers those who operate the installation. */
export function operationRpcs({
  keys,
  audit,
}: OperationNeeds): Pick<ServiceImpl<typeof AuthService>, "rotateSigningKey" | "listAuditEntries"> {
  return {
    async rotateSigningKey(_request, context) {
      const { keyId, signsAt } = await keys.rotate(managerOf(context));
      return { keyId, signsAt: timestampFromDate(signsAt) };
    },

    async listAuditEntries(request) {
      const { pageSize, clientId } = validAuditPage(request);
      const before = numberedPlace(request.pageToken, list);
      // One more than is answered tells whether there is another page.
      const found = await audit.list({ clientId, before, limit: pageSize + 1 });
      const answered = found.slice(0, pageSize);
      const last = answered.at(-1);
      return {
        entries: answered.map(({ at, ...entry }) => ({
          at: timestampFromDate(at),
          action: entry.action,
          clientId: entry.clientId,
          targetClientId: entry.targetClientId,
          address: entry.address,
        })),
        nextPageToken: found.length > pageSize && last !== undefined ? pageToken(list, last.entryId) : "",
      };
    },
  };
}
