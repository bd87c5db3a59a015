import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { ClientManagement } from "../client-management.ts";
import { validCreate, validList, validName, validRotate, validUpdate } from "../validate.ts";
import { managerOf } from "./caller.ts";
import { clientMessage } from "./client-message.ts";
import { namedPlace, pageToken } from "./page-token.ts";

type ClientRpcs = Pick<
  ServiceImpl<typeof AuthService>,
  "createClient" | "getClient" | "listClients" | "updateClient" | "rotateClientSecret" | "deleteClient"
>;

/** Answers those who manage clients. */
export function clientRpcs(
  management: Pick<ClientManagement, "create" | "get" | "list" | "update" | "rotateSecret" | "delete">,
): ClientRpcs {
  return {
    async createClient(request, context) {
      const asked = validCreate(request);
      const { client, secret } = await management.create(managerOf(context), asked.client, asked.secret);
      return { client: clientMessage(client), clientSecret: secret };
    },

    async getClient(request, context) {
      return { client: clientMessage(await management.get(managerOf(context), validName(request))) };
    },

    async listClients(request, context) {
      const { filter, skip, limit } = validList(request);
      // A place is one in its own order only.
      const list = `clients ${filter.orderBy} ${filter.descending ? "desc" : "asc"}`;
      const after = namedPlace(request.pageToken, list);
      // One more than is answered tells whether there is another page.
      const page = { after, skip, limit: limit + 1 };
      const { clients, total } = await management.list(managerOf(context), filter, page);
      const answered = clients.slice(0, limit);
      const last = answered.at(-1);
      return {
        clients: answered.map(clientMessage),
        nextPageToken: clients.length > limit && last !== undefined ? pageToken(list, last.clientId) : "",
        total: BigInt(total),
      };
    },

    async updateClient(request, context) {
      const { name, changes } = validUpdate(request);
      return { client: clientMessage(await management.update(managerOf(context), name, changes)) };
    },

    async rotateClientSecret(request, context) {
      const { name, graceMs } = validRotate(request);
      const { client, secret } = await management.rotateSecret(managerOf(context), name, graceMs);
      return { client: clientMessage(client), clientSecret: secret };
    },

    async deleteClient(request, context) {
      await management.delete(managerOf(context), validName(request));
      return {};
    },
  };
}
