/**
 * Cron expressions: when a schedule fires.
 *
 * Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday); `*`, numbers, names (`JAN`, `MON`),
 * ranges, lists and steps; `L` for the last day of a month, `15W` for the weekday nearest to the 15th, `MON#2` and
 * `FRI#L` for the second Monday and the last Friday of a month. When day of month and day of week are both given, either
 * is enough. Also `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly` and `@yearly` (`@annually`).
 *
 * Times are those on a clock in the time zone. Where that clock is put forward or back:
 *
 *   - an expression with one time of day fires once a day: at the end of the gap when the time falls into it, and the
 *     first time when the time comes twice;
 *   - an expression with several times of day fires whenever the clock shows one of them: not at those that fall into
 *     the gap, and both times at those that come twice, so that `*` and steps go on evenly.
 */
import { Cron as CronJob } from "croner";

/** How long an expression may be, in characters. */
const maxLength = 256;

/** Fields in their order, with the numbers that may stand in them. */
const fields = [
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day of month", least: 1, most: 31 },
  { name: "month", least: 1, most: 12 },
  { name: "day of week", least: 0, most: 7 },
] as const;

/** A cron expression in a time zone. */
export interface Cron {
  /** The first time strictly after another, on a whole minute; undefined when there is none, as for February 30. */
  readonly next: (after: Date) => Date | undefined;
}

/**
 * Compiles an expression in a time zone of the IANA database, such as `Europe/Berlin` or `UTC`. The fault continues a
 * sentence that begins with the expression.
 */
export function compileCron(expression: string, timeZone: string): Cron | { readonly fault: string } {
  const fault = faultIn(expression);
  if (fault !== undefined) return { fault };
  if (!isTimeZone(timeZone)) return { fault: "is for a time zone that is not known" };
  try {
    const job = new CronJob(expression.trim(), { timezone: timeZone, mode: "5-part" });
    return { next: (after) => job.nextRun(after) ?? undefined };
  } catch (error) {
    const words = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    return { fault: `is not a cron expression: ${words.charAt(0).toLowerCase()}${words.slice(1)}` };
  }
}

/** The next times after another, in their order: `count` of them, or as many as there are. */
export function nextTimes(cron: Cron, after: Date, count: number): readonly Date[] {
  const times: Date[] = [];
  for (let time = cron.next(after); time !== undefined && times.length < count; time = cron.next(time)) {
    times.push(time);
  }
  return times;
}

const nickname = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/i;

/** What the library would take for something else, or would say in other words than ours. */
function faultIn(expression: string): string | undefined {
  if (expression.length > maxLength) return `is longer than ${maxLength} characters`;
  const text = expression.trim();
  if (nickname.test(text)) return undefined;
  if (text.startsWith("@")) return "is not a name that stands for a cron expression";
  const parts = text === "" ? [] : text.split(/[ \t]+/);
  if (parts.length !== fields.length) {
    return "does not have five fields: minute, hour, day of month, month, day of week";
  }
  for (const [index, { name, least, most }] of fields.entries()) {
    const part = parts[index] ?? "";
    // `?` stands for the present time and `+` for both days at once in the library.
    if (!/^[0-9A-Za-z*,/#-]+$/.test(part)) return `has characters in its ${name} that do not belong there`;
    const outside = [...part.matchAll(/(?<![/#\d])\d+/g)].find(
      ([number]) => Number(number) < least || Number(number) > most,
    );
    if (outside !== undefined) return `has ${outside[0]} as ${name}, which goes from ${least} to ${most}`;
  }
  return undefined;
}

function isTimeZone(name: string): boolean {
  // Offsets such as +02:00 are no zones: they know nothing of summer time.
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name) || name.length > 64) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}
