import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client as ClientMessage, ClientSchema } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { audienceMessage } from "../../../lib/rpc/audience-message.ts";
import type { Client } from "../client.ts";

/** A client as it travels, which is without anything of its secret. */
export function clientMessage(client: Client): ClientMessage {
  const { clientId, uid, audience, name, description, scopes, isDisabled } = client;
  const { createdAt, updatedAt, formerSecretExpiresAt } = client;
  return create(ClientSchema, {
    clientId,
    uid,
    audience: audienceMessage(audience),
    name,
    description,
    scopes: [...scopes],
    disabled: isDisabled,
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
    ...(formerSecretExpiresAt && { formerSecretExpiresAt: timestampFromDate(formerSecretExpiresAt) }),
  });
}
