import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import { Audience, type Client } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { audienceName } from "../oauth/token-answer.ts";

/** What clients are for, as the Waldiez runner's clients write it, and an audience that it does not know. */
export const audienceNames = ["tasks-api", "clients-api", "admin-api", "workers-api"] as const;

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
    audience: audienceName(audience),
    name,
    description: description === "" ? null : description,
    created_at: isoOf(createdAt),
    updated_at: isoOf(updatedAt ?? createdAt),
  };
}

/** An audience of `audienceNames` as it travels. */
export function audienceNamed(name: (typeof audienceNames)[number]): Audience {
  const all = Object.values(Audience).filter((value) => typeof value === "number");
  return all.find((audience) => audienceName(audience) === name) ?? Audience.UNSPECIFIED;
}

function isoOf(at: Timestamp | undefined): string {
  return (at === undefined ? new Date(0) : timestampDate(at)).toISOString();
}
