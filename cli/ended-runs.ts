import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import { runStates } from "./state-word.ts";

/** The ids of all runs that ended before a time. */
export async function endedRuns(
  antiphon: Antiphon,
  {
    endedBefore,
    workflow = "",
    state = ["completed", "failed", "cancelled"],
  }: {
    readonly endedBefore: Date;
    readonly workflow?: string | undefined;
    readonly state?: readonly string[] | undefined;
  },
): Promise<string[]> {
  const filter = {
    name: workflow,
    states: state.flatMap((word) => runStates[word] ?? []),
    // What ended before was accepted before.
    createdBefore: timestampFromDate(endedBefore),
  };
  const ids: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await antiphon.scheduler.listRuns({ ...filter, pageSize: 1_000, pageToken });
    for (const { runId, endedAt } of page.runs)
      if (endedAt !== undefined && timestampDate(endedAt) < endedBefore) ids.push(runId);
    pageToken = page.nextPageToken;
    if (pageToken === "") return ids;
  }
}
