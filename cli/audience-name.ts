import { Audience } from "../gen/antiphon/auth/v1/client_pb.ts";
import { audienceMessage, knownAudiences, audienceOf as nameOf } from "../lib/rpc/audience-message.ts";

/** What clients are for, as people write it. */
export const audienceNames: readonly string[] = knownAudiences;

/** An audience as people write it; empty for one that this program does not know. */
export function audienceName(audience: Audience): string {
  return nameOf(audience) ?? "";
}

/** The audience of one of `audienceNames`. */
export function audienceOf(name: string): Audience {
  const known = knownAudiences.find((audience) => audience === name);
  return known === undefined ? Audience.UNSPECIFIED : audienceMessage(known);
}
