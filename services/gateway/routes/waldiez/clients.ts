import { z } from "zod";
import type { Client } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { audienceMessage } from "../../../../lib/rpc/audience-message.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { publicAudiences } from "../../../../lib/rpc/tokens.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import type { ServiceClients } from "../../http/service-clients.ts";
import { clientJson, clientSchema, newClientSchema } from "./client-json.ts";
import { jsonAnswer } from "./json-answer.ts";
import { pageOf, pageQuery, pageSchema, skipOf } from "./page.ts";
import { changeClients, lookAtClients } from "./waldiez-access.ts";

const listQuery = z.object({
  ...pageQuery,
  search: z.string().max(200).optional().describe("A part of the id, the name or the description."),
  order_by: z
    .enum(["client_id", "audience", "description", "name"])
    .optional()
    .describe("Default: the time of creation."),
});

const newClient = z.object({
  client_id: z
    .string()
    .regex(/^[A-Za-z0-9._:@-]{1,200}$/)
    .nullish()
    .describe("Drawn when left out."),
  plain_secret: z.string().min(8).max(200).nullish().describe("Drawn when left out, which is better."),
  audience: z.enum(publicAudiences).default("tasks-api"),
  name: z.string().max(200).default("Default"),
  description: z.string().max(2_000).nullish(),
});

const changedClient = z.object({
  name: z.string().max(200).nullish(),
  description: z.string().max(2_000).nullish(),
});

/** The client's id in a path: its `id`, or its `client_id` as well. */
export const clientParams = z.object({ id: z.string() });

const notFound = { description: "There is no such client." };
const unchanged = { description: "It is as the caller's `If-None-Match` has it." };

/** The routes by which clients are listed, made, looked at and changed. */
export function clients(): readonly HttpRoute[] {
  return [
    httpRoute({
      method: "GET",
      path: "/api/v1/clients",
      access: lookAtClients,
      tag: "Clients",
      summary: "Lists clients",
      description: "Those for `admin-api` and `workers-api` are listed to clients for `admin-api` only.",
      style: "waldiez",
      query: listQuery,
      headers: ["If-None-Match"],
      responses: {
        200: {
          description: "A page of them.",
          schema: pageSchema(clientSchema).meta({ id: "WaldiezClientPage" }),
        },
        304: unchanged,
      },
      async handle(call) {
        const { query, signal } = call;
        const { order_by: orderBy = "created_at", order_type: orderType, search: text = "" } = query;
        const skip = skipOf(query);
        // The Waldiez runner's Python client raises at an audience that it does not know.
        const isAdmin = call.caller?.audience === "admin-api";
        const audiences = publicAudiences.filter((name) => isAdmin || name !== "workers-api");
        const { clients, total } = await call.clients.auth.listClients(
          {
            pageSize: query.size,
            skip: skip ?? 0,
            text,
            audiences: audiences.map(audienceMessage),
            orderBy: `${orderBy}${orderType === "desc" ? " desc" : ""}`,
          },
          { signal },
        );
        const items = skip === undefined ? [] : clients.map(clientJson);
        return jsonAnswer(call, pageOf(items, Number(total), query));
      },
    }),
    httpRoute({
      method: "POST",
      path: "/api/v1/clients",
      access: changeClients,
      tag: "Clients",
      summary: "Makes a client",
      style: "waldiez",
      body: { kinds: ["json"], schema: newClient.prefault({}), optional: true },
      responses: {
        200: { description: "The client, with its secret.", schema: newClientSchema },
        403: { description: "A client for `admin-api` is made by such a client only." },
        409: { description: "The `client_id` is taken." },
        422: { description: "A field is not of its form." },
      },
      async handle({ body, clients, signal }) {
        const { client, clientSecret } = await clients.auth.createClient(
          {
            clientId: body.client_id ?? "",
            clientSecret: body.plain_secret ?? "",
            audience: audienceMessage(body.audience),
            name: body.name,
            description: body.description ?? "",
          },
          { signal },
        );
        return { status: 200, body: { ...clientJson(answered(client)), client_secret: clientSecret } };
      },
    }),
    httpRoute({
      method: "GET",
      path: "/api/v1/clients/:id",
      access: lookAtClients,
      tag: "Clients",
      summary: "Answers a client",
      style: "waldiez",
      params: clientParams,
      headers: ["If-None-Match"],
      responses: {
        200: { description: "The client.", schema: clientSchema },
        304: unchanged,
        404: notFound,
      },
      async handle(call) {
        const { signal, params } = call;
        return jsonAnswer(call, clientJson(await clientOf(params.id, call.clients.auth, signal)));
      },
    }),
    httpRoute({
      method: "PATCH",
      path: "/api/v1/clients/:id",
      access: changeClients,
      tag: "Clients",
      summary: "Changes a client's name and description",
      style: "waldiez",
      params: clientParams,
      body: { kinds: ["json"], schema: changedClient },
      responses: { 200: { description: "The client as changed.", schema: clientSchema }, 404: notFound },
      async handle({ params, body, clients, signal }) {
        const client = await clientOf(params.id, clients.auth, signal);
        const { name = null, description = null } = body;
        const paths = [...(name === null ? [] : ["name"]), ...(description === null ? [] : ["description"])];
        if (paths.length === 0) return { status: 200, body: clientJson(client) };
        const changed = { clientId: client.clientId, name: name ?? "", description: description ?? "" };
        const answer = await clients.auth.updateClient(
          { client: changed, updateMask: { paths } },
          { signal },
        );
        return { status: 200, body: clientJson(answered(answer.client)) };
      },
    }),
  ];
}

async function clientOf(
  clientId: string,
  auth: ServiceClients["auth"],
  signal: AbortSignal,
): Promise<Client> {
  try {
    return answered((await auth.getClient({ clientId }, { signal })).client);
  } catch (thrown) {
    const { reason } = fromConnectError(thrown);
    if (reason !== "CLIENT_NOT_FOUND") throw thrown;
    throw new HttpRefusal(404, "Client not found.", { reason });
  }
}

function answered(client: Client | undefined): Client {
  if (client === undefined) throw new TypeError("a client was not answered");
  return client;
}
