import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { ExpiryStore } from "./expiry-store.ts";

/** How long what was done is kept. */
const auditRetentionMs = 90 * 24 * 3_600_000;

/** Whoever floods the notes with refusals loses old ones, not the disk. */
const auditEntriesKept = 1_000_000;

const rowsPerStatement = 1_000;
const idleMs = 10 * 60_000;

/** Removes what has expired until `signal` aborts. Any number of processes may. Outages are waited out. */
export async function expiryLoop(
  { store, log }: { readonly store: ExpiryStore; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ firstMs: 1_000, maxMs: 60_000 });
  const kinds = [
    () => store.removeFamilies(rowsPerStatement),
    () => store.removeRefreshTokens(rowsPerStatement),
    () => store.removeRevocations(rowsPerStatement),
    () =>
      store.removeAuditEntries({
        retentionMs: auditRetentionMs,
        keep: auditEntriesKept,
        limit: rowsPerStatement,
      }),
  ];
  while (!signal.aborted) {
    try {
      let isWhole = true;
      for (const remove of kinds) isWhole = (await remove()) < rowsPerStatement && isWhole;
      backoff.reset();
      if (isWhole) await delay(idleMs, signal);
    } catch (error) {
      if (backoff.failures > 0) log.warn({ err: error }, "expired rows not removed");
      await backoff.wait(signal);
    }
  }
}
