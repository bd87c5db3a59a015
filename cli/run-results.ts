import type { JsonObject } from "@bufbuild/protobuf";
import { GetRunResultsResponseSchema } from "../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import { readableJson } from "./readable-json.ts";

/** What the nodes of a run gave so far, by their ids, as plain JSON. */
export async function runResults(antiphon: Antiphon, runId: string): Promise<JsonObject> {
  const answer = await antiphon.scheduler.getRunResults({ runId });
  const { results = {} } = readableJson(GetRunResultsResponseSchema, answer) as { results?: JsonObject };
  return results;
}
