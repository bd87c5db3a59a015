import type { HandlerContext } from "@connectrpc/connect";
import type { WatchRequest } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import type { TaskNews } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { taskOf } from "../access.ts";
import type { Feeds } from "../feeds.ts";
import type { TaskStates } from "../task-states.ts";
import { validWatch } from "../validate.ts";
import { askerOf } from "./asker.ts";

/** What watching needs. */
export interface WatchNeeds {
  readonly feeds: Pick<Feeds, "watch">;
  readonly states: Pick<TaskStates, "ask">;
}

/** Follows tasks until all of them have ended. */
export function watch({ feeds, states }: WatchNeeds) {
  return async function* (
    request: WatchRequest,
    context: HandlerContext,
  ): AsyncGenerator<{ news: TaskNews }> {
    const asker = askerOf(context);
    const tasks = await Promise.all(
      validWatch(request).map(async ({ taskId, after }) => ({
        state: await taskOf(asker, { taskId, states }),
        after,
      })),
    );
    using watching = feeds.watch(tasks);
    while (!watching.hasEnded) {
      context.signal.throwIfAborted();
      const taken = await watching.take();
      for (const news of taken) yield { news };
      if (taken.length === 0) await watching.wait(context.signal);
    }
  };
}
