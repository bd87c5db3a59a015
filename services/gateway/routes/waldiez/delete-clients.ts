import { z } from "zod";
import type { Client } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { audienceMessage } from "../../../../lib/rpc/audience-message.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { publicAudiences } from "../../../../lib/rpc/tokens.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { clientParams } from "./clients.ts";
import { inSlices } from "./in-slices.ts";
import { textList } from "./page.ts";
import { changeClients } from "./waldiez-access.ts";

const audience = z.enum(publicAudiences);

const query = z.object({
  ids: textList(1_000).describe("Which, by `id` or `client_id`."),
  audiences: z
    .union([z.array(audience).max(publicAudiences.length), audience.transform((one) => [one])])
    .default([])
    .describe("Only those for one of these."),
  excluded: textList(1_000).describe("Which stay, whatever else is asked for."),
});

type DeleteCall = HttpCall<unknown, z.output<typeof query>>;

/** Those that are meant by all; the clients of workers are removed by name only, for nothing runs without them. */
const usualAudiences = publicAudiences.filter((name) => name !== "workers-api");

const pageSize = 1_000;

/** `DELETE /api/v1/clients/{id}` and `DELETE /api/v1/clients`. */
export function deleteClients(): readonly HttpRoute[] {
  return [
    httpRoute({
      method: "DELETE",
      path: "/api/v1/clients/:id",
      access: changeClients,
      tag: "Clients",
      summary: "Removes a client",
      description: "Its tokens are refused at once. An unknown client counts as removed.",
      style: "waldiez",
      params: clientParams,
      responses: { 204: { description: "There is none." }, 403: { description: "It is the caller." } },
      async handle(call) {
        const outcome = await removed(call.params.id, call);
        if (outcome === "removed") return { status: 204 };
        throw new HttpRefusal(403, "A client can not delete itself.", { reason: "OWN_CLIENT" });
      },
    }),
    httpRoute({
      method: "DELETE",
      path: "/api/v1/clients",
      access: changeClients,
      tag: "Clients",
      summary: "Removes clients",
      description:
        "Without `ids` and `audiences` all others of the caller's sight are removed, but for those of workers. The caller stays.",
      style: "waldiez",
      query,
      responses: {
        204: { description: "They are removed." },
        400: { description: "The caller is among `ids`." },
      },
      async handle(call) {
        const { ids } = call.query;
        const own = await ownIds(call);
        if (ids.some((id) => own.has(id))) {
          throw new HttpRefusal(400, "A client can not delete itself.", { reason: "OWN_CLIENT" });
        }
        const stay = new Set([...own, ...call.query.excluded]);
        const chosen = (await asked(call)).filter(
          ({ clientId, uid }) => !stay.has(clientId) && !stay.has(uid),
        );
        await inSlices(chosen, async ({ clientId }) => await removed(clientId, call));
        return { status: 204 };
      },
    }),
  ];
}

/** What the caller is called: its `client_id`, and its `id` where it has one. */
async function ownIds({ caller, clients, signal }: DeleteCall): Promise<ReadonlySet<string>> {
  const { client } = await clients.auth.whoAmI({}, { signal });
  return new Set([caller?.clientId ?? "", client?.uid ?? ""].filter((id) => id !== ""));
}

/** The clients that the query asks for. Read whole before the first is removed, so that none is passed over. */
async function asked({ query, clients, signal }: DeleteCall): Promise<readonly Client[]> {
  const { ids } = query;
  const names =
    query.audiences.length > 0 ? query.audiences : ids.length > 0 ? publicAudiences : usualAudiences;
  const found: Client[] = [];
  let pageToken = "";
  do {
    const page = await clients.auth.listClients(
      { pageSize, pageToken, audiences: names.map(audienceMessage) },
      { signal },
    );
    found.push(...page.clients);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  if (ids.length === 0) return found;
  const wanted = new Set(ids);
  return found.filter(({ clientId, uid }) => wanted.has(clientId) || wanted.has(uid));
}

async function removed(
  clientId: string,
  { clients, signal }: Pick<HttpCall, "clients" | "signal">,
): Promise<"removed" | "own"> {
  try {
    await clients.auth.deleteClient({ clientId }, { signal });
    return "removed";
  } catch (thrown) {
    const { reason } = fromConnectError(thrown);
    if (reason === "CLIENT_NOT_FOUND") return "removed";
    if (reason === "OWN_CLIENT") return "own";
    throw thrown;
  }
}
