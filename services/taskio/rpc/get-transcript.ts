import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { TaskIOState } from "../../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import type {
  GetTranscriptRequest,
  GetTranscriptResponseSchema,
} from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { taskOf } from "../access.ts";
import type { Archiver } from "../archiver.ts";
import { type Cursor, cursorText } from "../cursor.ts";
import { snapshotOf } from "../state-news.ts";
import { isComplete, isFinal } from "../succession.ts";
import type { ReadEntry, TranscriptReader } from "../transcript-reader.ts";
import { validRange } from "../validate.ts";
import { askerOf } from "./asker.ts";
import type { WatchNeeds } from "./watch.ts";

/** The entries of one answer; it must stay well below the 8 MiB of a message. */
const maxBytes = 4 * 1_048_576;

/** What reading a range needs. */
export interface GetTranscriptNeeds extends WatchNeeds {
  readonly reader: Pick<TranscriptReader, "page">;
  readonly archiver: Pick<Archiver, "examine">;
}

interface Range {
  readonly state: TaskIOState;
  readonly entries: readonly ReadEntry[];
  readonly ended: boolean;
}

/** Answers a range of a transcript, waiting for news if there are none. */
export function getTranscript(needs: GetTranscriptNeeds) {
  return async (
    request: GetTranscriptRequest,
    context: HandlerContext,
  ): Promise<MessageInitShape<typeof GetTranscriptResponseSchema>> => {
    const { taskId, after, pageSize, waitMs } = validRange(request);
    const read = async (): Promise<Range> => {
      const state = await taskOf(askerOf(context), { taskId, states: needs.states });
      return await readRange({ state, after, pageSize }, needs);
    };
    let range = await read();
    if (range.entries.length === 0 && !range.ended && waitMs > 0) {
      await hasNews({ state: range.state, after, waitMs }, needs, context.signal);
      range = await read();
    }
    const { state, entries, ended } = range;
    return {
      entries: entries.map(({ entry }) => entry),
      nextAfter: cursorText(entries.at(-1) ?? after),
      snapshot: snapshotOf(state),
      ended,
      ...(state.failure && { failure: state.failure }),
    };
  };
}

async function readRange(
  {
    state,
    after,
    pageSize,
  }: { readonly state: TaskIOState; readonly after: Cursor; readonly pageSize: number },
  { reader, archiver }: GetTranscriptNeeds,
): Promise<Range> {
  const { entries, nothingAfter, isLast } = await reader.page(state.taskId, after, {
    maxCount: pageSize,
    maxBytes,
  });
  const ended = isLast && isComplete(entries.at(-1) ?? after, { state, nothingAfter });
  if (isLast && !ended && isFinal(state.state)) archiver.examine(state.taskId);
  return { state, entries, ended };
}

/** Resolves when there is an entry, the state is another than the given one, or the task has ended; or after `waitMs`. */
async function hasNews(
  { state, after, waitMs }: { readonly state: TaskIOState; readonly after: Cursor; readonly waitMs: number },
  { feeds }: GetTranscriptNeeds,
  signal: AbortSignal,
): Promise<void> {
  using watching = feeds.watch([{ state, after }]);
  const untilMs = performance.now() + waitMs;
  while (performance.now() < untilMs) {
    signal.throwIfAborted();
    const news = await watching.take();
    if (news.some((each) => each.news.case !== "snapshot" && each.news.case !== "heartbeat")) return;
    if (news.length === 0) await watching.wait(signal, untilMs - performance.now());
  }
}
