import { InvalidArgumentError } from "commander";
import { durationMs } from "../lib/plain-form/duration-ms.ts";

/** As `durationMs`, for options. Throws for what is no time. */
export function parseDuration(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new InvalidArgumentError("It is not a time such as 90s, 10m or 1h30m.");
  return ms;
}

/** A time for people, in its two largest units: `12ms`, `4.1s`, `2m 10s`, `3h 5m`. */
export function formatDuration(ms: number): string {
  if (ms < 100) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)];
  if (hours === 0) return `${minutes}m ${Math.floor(seconds % 60)}s`;
  return hours < 48 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
