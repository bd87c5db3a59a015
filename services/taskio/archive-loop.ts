import { Backoff } from "../../lib/async/backoff.ts";
import type { Bell } from "../../lib/async/bell.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Broker } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { taskOfTranscriptStream, transcriptStreamPrefix } from "../../lib/streams/transcript-stream.ts";
import type { Archiver } from "./archiver.ts";

/** Turns begin at least this far apart while tasks write little, so that chunks grow instead of commits. */
const paceMs = 200;

/** How many tasks are looked at in one turn. */
const tasksPerTurn = 512;

/** When tasks that have a hole, or have ended, are looked at again. */
const lookAgainMs = 1_000;

/** Runs an archiver until `signal` aborts. Outages are waited out. */
export async function archiveLoop(
  { archiver, log }: { readonly archiver: Archiver; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
  let lookedAgainAtMs = performance.now();
  while (!signal.aborted) {
    await archiver.inbox.wait(lookAgainMs, signal);
    const beganAtMs = performance.now();
    if (beganAtMs - lookedAgainAtMs >= lookAgainMs) {
      archiver.wakeLater();
      lookedAgainAtMs = beganAtMs;
    }
    try {
      const left = await archiver.turn(archiver.inbox.take(tasksPerTurn));
      backoff.reset();
      if (left === "quiet") await delay(Math.max(0, beganAtMs + paceMs - performance.now()), signal);
    } catch (err) {
      if (backoff.failures > 0) log.warn({ err }, "transcripts can not be archived");
      await backoff.wait(signal);
    }
  }
}

/**
 * Examines every transcript that the broker holds, whenever `asked` rings and
 * every `scanMs`, until `signal` aborts: finds what wakes were lost for.
 */
export async function scanLoop(
  {
    archiver,
    broker,
    asked,
    scanMs,
    log,
  }: {
    readonly archiver: Archiver;
    readonly broker: Pick<Broker, "streams">;
    readonly asked: Bell;
    readonly scanMs: number;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await asked.heard(signal, scanMs);
    try {
      for await (const stream of broker.streams(transcriptStreamPrefix)) {
        if (signal.aborted) return;
        archiver.examine(taskOfTranscriptStream(stream));
      }
    } catch (err) {
      log.warn({ err }, "transcripts can not be scanned");
    }
  }
}
