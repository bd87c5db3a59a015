/**
 * Merges streams in the order in which they bring something; ends when all have
 * ended, or when `signal` aborts, and rejects with the first that rejects. Gives
 * undefined when none brought anything for `idleMs`.
 */
export async function* merge<Item>(
  streams: readonly AsyncGenerator<Item>[],
  { idleMs, signal }: { readonly idleMs: number; readonly signal: AbortSignal },
): AsyncGenerator<Item | undefined> {
  const pending = new Map(streams.map((stream) => [stream, nextOf(stream)]));
  const aborted = Promise.withResolvers<"aborted">();
  const abort = () => aborted.resolve("aborted");
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    while (pending.size > 0) {
      const idle = Promise.withResolvers<"idle">();
      const timer = setTimeout(() => idle.resolve("idle"), idleMs);
      const first = await Promise.race([...pending.values(), idle.promise, aborted.promise]).finally(() =>
        clearTimeout(timer),
      );
      if (first === "aborted") return;
      if (first === "idle") {
        yield undefined;
        continue;
      }
      const { stream, result } = first;
      if (result.done === true) {
        pending.delete(stream);
        continue;
      }
      pending.set(stream, nextOf(stream));
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    for (const [stream, next] of pending) {
      next.catch(() => undefined);
      stream.return(undefined).catch(() => undefined);
    }
  }
}

async function nextOf<Item>(stream: AsyncGenerator<Item>) {
  return { stream, result: await stream.next() };
}
