/*
 * One task's news over one stream after another, for callers that stay.
 *
 *   N1. Every entry after the cursor comes once and in order: where a stream
 *       breaks, the next one begins after the last entry.
 *   N2. The end is the last news. Without it the iteration rejects: at once before
 *       anything was heard, and with what can not be mended by another stream;
 *       for an outage when nothing was heard for `giveUpAfterMs`; for the end of
 *       its token when there is no other, or the next stream is refused as well.
 *   N3. The stream behind is read only as fast as the news are taken.
 *   N4. Leaving the iteration, or aborting the signal, ends the stream behind.
 */
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import type { Entry, TaskNews } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { Backoff } from "../../../lib/async/backoff.ts";
import type { Reason } from "../../../lib/errors/domain-error.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { isOutage } from "../outage.ts";

/** What is followed, and from where. */
export interface Following {
  readonly taskId: string;
  /** The cursor of the last entry that is not wanted again; empty for all. */
  readonly after: string;
  readonly signal: AbortSignal;
  /** Whether each stream is opened with a token of its own, so that the end of one ends only its stream. Default false. */
  readonly hasFreshTokens?: boolean;
  /** How long an outage is sat out; default 60 s. */
  readonly giveUpAfterMs?: number;
}

/** One piece of news. */
export type News = TaskNews["news"];

const longestOutageMs = 60_000;

/** What another stream mends. */
const passing: ReadonlySet<Reason | undefined> = new Set([
  "SERVICE_UNAVAILABLE",
  "OWNER_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "BROKER_UNAVAILABLE",
  "WATCHER_TOO_SLOW",
  "TOO_MANY_CALLS",
]);

/** Follows a task to its end (N1 to N4). After an outage the snapshot comes again. */
export async function* followedTask(
  taskio: Pick<Client<typeof TaskIOService>, "watch">,
  { taskId, after, signal, hasFreshTokens = false, giveUpAfterMs = longestOutageMs }: Following,
): AsyncGenerator<News> {
  const backoff = new Backoff({ firstMs: 100, maxMs: 3_000 });
  const left = new AbortController();
  const watching = { signal: AbortSignal.any([signal, left.signal]) };
  let cursor = after;
  let heardAt: number | undefined;
  try {
    for (;;) {
      let isOpen = false;
      try {
        for await (const { news } of taskio.watch({ tasks: [{ taskId, after: cursor }] }, watching)) {
          isOpen = true;
          heardAt = performance.now();
          backoff.reset();
          if (news?.news.case === "entry") cursor = cursorOf(news.news.value);
          if (news !== undefined) yield news.news;
          if (news?.news.case === "end") return;
        }
        throw new ConnectError("the stream ended early", Code.Unavailable);
      } catch (thrown) {
        signal.throwIfAborted();
        const isOver = heardAt === undefined || performance.now() - heardAt > giveUpAfterMs;
        const hasExpired = fromConnectError(thrown).reason === "TOKEN_EXPIRED";
        const isMended = isPassing(thrown) || (hasFreshTokens && isOpen && hasExpired);
        if (isOver || !isMended) throw thrown;
      }
      await backoff.wait(signal);
    }
  } finally {
    left.abort();
  }
}

/** The cursor of an entry: `2-17`. */
export function cursorOf({ attempt, seq }: Pick<Entry, "attempt" | "seq">): string {
  return `${attempt}-${seq}`;
}

/** Whether an outage is the cause, which has a reason only where a service told of it. */
export function isPassing(thrown: unknown): boolean {
  return passing.has(fromConnectError(thrown).reason) || isOutage(ConnectError.from(thrown));
}
