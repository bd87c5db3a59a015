import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { formatDuration } from "./duration.ts";

/** How long ago something was; empty when it has not been. */
export function ago(at: Timestamp | undefined, now: Date): string {
  return at === undefined ? "" : `${formatDuration(now.getTime() - timestampDate(at).getTime())} ago`;
}

/** How long something has taken, up to its end or to now; empty before its beginning. */
export function took(from: Timestamp | undefined, to: Timestamp | undefined, now: Date): string {
  if (from === undefined) return "";
  const end = to === undefined ? now : timestampDate(to);
  return formatDuration(end.getTime() - timestampDate(from).getTime());
}
