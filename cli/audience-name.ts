import { Audience } from "../gen/antiphon/auth/v1/client_pb.ts";

const byName = {
  "tasks-api": Audience.TASKS_API,
  "clients-api": Audience.CLIENTS_API,
  "admin-api": Audience.ADMIN_API,
  "workers-api": Audience.WORKERS_API,
} as const;

/** What clients are for, as people write it. */
export const audienceNames = Object.keys(byName);

/** An audience as people write it; empty for one that this program does not know. */
export function audienceName(audience: Audience): string {
  return Object.entries(byName).find(([, known]) => known === audience)?.[0] ?? "";
}

/** The audience of one of `audienceNames`. */
export function audienceOf(name: string): Audience {
  return Object.entries(byName).find(([known]) => known === name)?.[1] ?? Audience.UNSPECIFIED;
}
