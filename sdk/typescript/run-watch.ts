import type { Client } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Run } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type {
  SchedulerService,
  WatchRunResponse_RunChange,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { Patience } from "./patience.ts";
import { mayResume } from "./refusal.ts";

const defaultGiveUpAfterMs = 60_000;

/** What happens to a run while it is watched. */
export type RunEvent =
  | {
      readonly kind: "snapshot";
      /** With its tasks; comes first. */
      readonly run: Run;
    }
  | {
      readonly kind: "change";
      /** The tasks that changed, without outputs, and the run's state after it. */
      readonly change: WatchRunResponse_RunChange;
    }
  | {
      readonly kind: "reconnecting";
      /** Why the connection broke. */
      readonly error: unknown;
    }
  | { readonly kind: "reconnected" };

export interface WatchRunOptions {
  readonly signal?: AbortSignal;
  /** How long an outage is sat out; default 60 s. */
  readonly giveUpAfterMs?: number;
}

/** Whether nothing will happen to a run in this state any more. */
export function isFinalRun(state: RunState): boolean {
  return state === RunState.COMPLETED || state === RunState.FAILED || state === RunState.CANCELLED;
}

/**
 * Follows a run to its end: how it stands, then every change once and in order,
 * however often the stream breaks. Throws what can not be resumed at once, and
 * an outage after `giveUpAfterMs` without any news.
 */
export async function* watchRun(
  scheduler: Pick<Client<typeof SchedulerService>, "watchRun">,
  runId: string,
  { signal = new AbortController().signal, giveUpAfterMs = defaultGiveUpAfterMs }: WatchRunOptions = {},
): AsyncGenerator<RunEvent> {
  const patience = new Patience(giveUpAfterMs);
  let afterSeq = 0;
  let ended = false;
  let broken = false;
  while (!ended) {
    try {
      for await (const { seq, news } of scheduler.watchRun({ runs: [{ runId, afterSeq }] }, { signal })) {
        patience.reset();
        if (broken) yield { kind: "reconnected" };
        broken = false;
        if (news.case === "heartbeat" || news.case === undefined) continue;
        afterSeq = seq;
        ended = isFinalRun(news.value.state);
        if (news.case === "snapshot") yield { kind: "snapshot", run: news.value };
        else yield { kind: "change", change: news.value };
      }
      if (!ended) throw new ConnectError("the stream ended early", Code.Unavailable);
    } catch (thrown) {
      if (signal.aborted || !mayResume(thrown)) throw thrown;
      if (!broken) yield { kind: "reconnecting", error: thrown };
      broken = true;
      if (!(await patience.pause(signal))) throw thrown;
    }
  }
}
