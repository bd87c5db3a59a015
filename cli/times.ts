import { type Duration, durationMs, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
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

/** A moment as a clock on the wall says it: `12:04:10`, with the date when it is not today's. */
export function clock(at: Timestamp, now: Date): string {
  const date = timestampDate(at);
  const time = date.toTimeString().slice(0, 8);
  return date.toDateString() === now.toDateString() ? time : `${localDay(date)} ${time}`;
}

/** A time of the contract as people write it: `1.5s`, `5m`. */
export function durationText(duration: Duration): string {
  const ms = durationMs(duration);
  const unit = units.find(([, unitMs]) => ms >= unitMs && ms % unitMs === 0);
  return unit === undefined ? `${ms / 1_000}s` : `${ms / unit[1]}${unit[0]}`;
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

function localDay(date: Date): string {
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0"));
  return `${date.getFullYear()}-${month}-${day}`;
}
