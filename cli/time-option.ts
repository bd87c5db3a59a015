import { InvalidArgumentError } from "commander";
import { durationMs } from "../lib/plain-form/duration-ms.ts";

/** Reads a moment that has been: `2026-11-21`, `2026-11-21T01:49:00Z`, or how long ago (`90m`). A parser for options. */
export function parseMoment(text: string): Date {
  return momentOf(text, -1, "90m (ago)");
}

/** Reads a moment to come: as `parseMoment`, but `90m` is in 90 minutes. */
export function parseMomentAhead(text: string): Date {
  return momentOf(text, 1, "90m (from now)");
}

/** A date and time without a zone are this machine's. */
function momentOf(text: string, direction: 1 | -1, example: string): Date {
  const ms = durationMs(text);
  if (ms !== undefined && !/^[\d.]+$/.test(text)) return new Date(Date.now() + direction * ms);
  const isDate = /^\d{4}-\d\d-\d\d$/.test(text);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(isDate ? `${text}T00:00` : text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new InvalidArgumentError(
      `It is not a time such as 2026-11-21, 2026-11-21T01:49:00Z or ${example}.`,
    );
  }
  return new Date(time);
}
