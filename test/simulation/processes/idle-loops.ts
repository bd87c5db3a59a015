/*
 * Stands in for services/scheduler/schedule-loop.ts, removal-loop.ts and
 * chore-loop.ts: there are no schedules, deleted runs, limited submissions and
 * uploaded files here.
 */

export async function scheduleLoop(_loop: unknown, signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

export async function removalLoop(_loop: unknown, signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

export async function choreLoop(_loop: unknown, signal: AbortSignal): Promise<void> {
  await aborted(signal);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
