import { Bell } from "./bell.ts";

/** What one of the streams brought: an item, its end, or what it rejected with. */
type Arrival<Item> =
  | { readonly stream: AsyncGenerator<Item>; readonly result: IteratorResult<Item, unknown> }
  | { readonly error: unknown };

/**
 * Merges streams in the order in which they bring something; ends when all have
 * ended, or when `signal` aborts, and rejects with the first that rejects. Gives
 * undefined when none brought anything for `idleMs`. Each stream is asked for its
 * next item when the one before was given.
 */
export async function* merge<Item>(
  streams: readonly AsyncGenerator<Item>[],
  { idleMs, signal }: { readonly idleMs: number; readonly signal: AbortSignal },
): AsyncGenerator<Item | undefined> {
  // A queue, and no race between promises: every race would leave something behind at each promise that lost it.
  const arrived: Arrival<Item>[] = [];
  const bell = new Bell();
  const ask = (stream: AsyncGenerator<Item>): void => {
    stream
      .next()
      .then(
        (result) => arrived.push({ stream, result }),
        (error: unknown) => arrived.push({ error }),
      )
      .finally(() => bell.ring());
  };
  const open = new Set(streams);
  for (const stream of open) ask(stream);
  try {
    while (open.size > 0 && !signal.aborted) {
      const next = arrived.shift();
      if (next === undefined) {
        if (!(await hasArrived(arrived, { bell, idleMs, signal }))) yield undefined;
        continue;
      }
      if ("error" in next) throw next.error;
      if (next.result.done === true) {
        open.delete(next.stream);
        continue;
      }
      ask(next.stream);
      yield next.result.value;
    }
  } finally {
    for (const stream of open) stream.return(undefined).catch(() => undefined);
  }
}

/** Waits until something has arrived or `signal` aborts; false when nothing came for `idleMs`. */
async function hasArrived(
  arrived: readonly unknown[],
  { bell, idleMs, signal }: { readonly bell: Bell; readonly idleMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const untilMs = performance.now() + idleMs;
  while (arrived.length === 0 && !signal.aborted) {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return false;
    await bell.heard(signal, leftMs);
  }
  return true;
}
