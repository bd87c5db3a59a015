/** Instants in order, each at least a minute after the one before: those of a cron expression, or a single one. */
export interface Times {
  /** The first instant after another one; undefined when there is none. */
  readonly next: (after: Date) => Date | undefined;
}

const minuteMs = 60_000;

/** The longest stretch that is searched at once, going back in time; so a stretch holds at most as many instants as minutes. */
const maxStretchMs = 1_024 * minuteMs;

/** So many instants are counted from the start before the end is looked at: rare ones are found by asking for each. */
const fewTimes = 64;

/** A single instant. */
export function once(at: Date): Times {
  return { next: (after) => (at > after ? at : undefined) };
}

/** Those of the instants that come before another one. */
export function ending(times: Times, end: Date): Times {
  return {
    next(after) {
      const at = times.next(after);
      return at !== undefined && at < end ? at : undefined;
    },
  };
}

/**
 * The last `count` instants of those from `from` to `to`, both included, oldest
 * first. Takes about a thousand questions to `times`, plus `count`, plus one for
 * each 17 hours in between, however many instants there are.
 */
export function lastTimes(
  times: Times,
  { from, to, count }: { readonly from: Date; readonly to: Date; readonly count: number },
): readonly Date[] {
  const first = firstTimes(times, { from, to, count: fewTimes + 1 });
  if (first.length <= fewTimes) return first.slice(-count);
  let found: readonly Date[] = [];
  let stretchMs = minuteMs;
  for (let end = to; end >= from && found.length < count; ) {
    const start = latest(from, new Date(end.getTime() - stretchMs + 1));
    found = [...firstTimes(times, { from: start, to: end, count: Number.POSITIVE_INFINITY }), ...found];
    end = before(start);
    stretchMs = Math.min(2 * stretchMs, maxStretchMs);
  }
  return found.slice(-count);
}

/** The later of instants; those that are undefined do not count. */
export function latest(first: Date, ...others: readonly (Date | undefined)[]): Date {
  return others.reduce<Date>((last, other) => (other !== undefined && other > last ? other : last), first);
}

/** The instant just before another one. */
export function before(at: Date): Date {
  return new Date(at.getTime() - 1);
}

/** The first `count` instants of those from `from` to `to`, both included; without `to`, of all from then on. */
export function firstTimes(
  times: Times,
  { from, to, count }: { readonly from: Date; readonly to?: Date; readonly count: number },
): readonly Date[] {
  const found: Date[] = [];
  for (let at = times.next(before(from)); at !== undefined && found.length < count; at = times.next(at)) {
    if (to !== undefined && at > to) break;
    found.push(at);
  }
  return found;
}
