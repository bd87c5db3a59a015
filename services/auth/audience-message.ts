import { Audience as AudienceMessage } from "../../gen/antiphon/auth/v1/client_pb.ts";
import type { Audience } from "./client.ts";

const messageOf: Readonly<Record<Audience, AudienceMessage>> = {
  "tasks-api": AudienceMessage.TASKS_API,
  "clients-api": AudienceMessage.CLIENTS_API,
  "admin-api": AudienceMessage.ADMIN_API,
  "workers-api": AudienceMessage.WORKERS_API,
};

/** An audience as it travels. */
export function audienceMessage(audience: Audience): AudienceMessage {
  return messageOf[audience];
}

/** An audience as it came; undefined when it is none that we know. */
export function audienceOf(message: number): Audience | undefined {
  return (Object.keys(messageOf) as Audience[]).find((audience) => messageOf[audience] === message);
}
