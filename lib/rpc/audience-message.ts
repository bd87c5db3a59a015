import { Audience } from "../../gen/antiphon/auth/v1/client_pb.ts";
import type { publicAudiences } from "./tokens.ts";

type PublicAudience = (typeof publicAudiences)[number];

const messageOf: Readonly<Record<PublicAudience, Audience>> = {
  "tasks-api": Audience.TASKS_API,
  "clients-api": Audience.CLIENTS_API,
  "admin-api": Audience.ADMIN_API,
  "workers-api": Audience.WORKERS_API,
};

/** Every audience that clients have. */
export const knownAudiences = Object.keys(messageOf) as readonly PublicAudience[];

/** An audience as it travels. */
export function audienceMessage(audience: PublicAudience): Audience {
  return messageOf[audience];
}

/** An audience as it came; undefined when it is none that we know. */
export function audienceOf(message: number): PublicAudience | undefined {
  return knownAudiences.find((audience) => messageOf[audience] === message);
}
