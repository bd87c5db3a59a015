import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

/** An instant as it came; where there is none the beginning of 1970, which nobody takes for one of ours. */
export function instantOf(at: Timestamp | undefined): Date {
  return at === undefined ? new Date(0) : timestampDate(at);
}

/** An instant as JSON has it, in UTC with milliseconds; null where there is none. */
export function isoOf(at: Timestamp | undefined): string | null {
  return at === undefined ? null : timestampDate(at).toISOString();
}
