import { z } from "zod";
import type { Client } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { audienceOf } from "../../../../lib/rpc/audience-message.ts";
import { instantOf } from "../../instant.ts";

/** A client as the Waldiez runner's clients know it. */
export const clientSchema = z
  .object({
    id: z.string().describe("By which these routes name it."),
    client_id: z.string().describe("By which it gets its tokens."),
    audience: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: "WaldiezClient" });

/** A client just made. */
export const newClientSchema = clientSchema
  .extend({ client_secret: z.string().describe("Shown this once.") })
  .meta({ id: "NewWaldiezClient" });

/** A client as it is answered. */
export function clientJson(client: Client): z.output<typeof clientSchema> {
  const { uid, clientId, audience, name, description, createdAt, updatedAt } = client;
  return {
    id: uid,
    client_id: clientId,
    audience: audienceOf(audience) ?? "",
    name,
    description: description === "" ? null : description,
    created_at: instantOf(createdAt).toISOString(),
    updated_at: instantOf(updatedAt ?? createdAt).toISOString(),
  };
}
