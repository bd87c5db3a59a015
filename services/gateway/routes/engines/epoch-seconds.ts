import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** A time as seconds since 1970, as seed 004's clients know times; null for none. */
export function epochSeconds(at: Timestamp | undefined): number | null {
  return at === undefined ? null : Number(at.seconds) + at.nanos / 1e9;
}
