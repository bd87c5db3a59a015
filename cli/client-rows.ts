import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Client, ClientSchema } from "../gen/antiphon/auth/v1/client_pb.ts";
import { audienceName } from "./audience-name.ts";
import type { Shown } from "./output-format.ts";
import { ago } from "./times.ts";

/** A client as `client get` and those that change it show it. */
export function shownClient(client: Client): Shown<typeof ClientSchema> {
  return {
    schema: ClientSchema,
    message: client,
    names: [client.clientId],
    headings: ["CLIENT", client.clientId],
    rows: clientRows(client),
  };
}

/** What there is to say of a client, a row each. */
export function clientRows(client: Client): string[][] {
  const { formerSecretExpiresAt: former, createdAt, updatedAt, description } = client;
  const now = new Date();
  return [
    ["name", client.name],
    ...(description === "" ? [] : [["description", description]]),
    ["audience", audienceName(client.audience)],
    ["scopes", client.scopes.join(" ")],
    ["state", client.disabled ? "disabled" : "active"],
    ["uid", client.uid],
    ["created", ago(createdAt, now)],
    ["changed", ago(updatedAt, now)],
    ...(former === undefined ? [] : [["former secret", `good until ${timestampDate(former).toISOString()}`]]),
  ];
}
