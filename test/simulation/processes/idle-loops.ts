/*
 * Stands in for services/scheduler/schedule-loop.ts and removal-loop.ts: there
 * are no schedules and no deleted runs here.
 */

export async function scheduleLoop(_loop: unknown, signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

export async function removalLoop(_loop: unknown, signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
