import type { GetRunResultsResponse } from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";

/** What the completed nodes of a run gave, by node. */
export function outputsOf({ results }: Pick<GetRunResultsResponse, "results">): Record<string, unknown> {
  const utf8 = new TextDecoder();
  return Object.fromEntries(
    Object.entries(results).map(([nodeId, output]) => [nodeId, JSON.parse(utf8.decode(output)) as unknown]),
  );
}
