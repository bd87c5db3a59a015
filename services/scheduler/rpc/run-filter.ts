import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type ListRunsRequest,
  ListRunsRequestSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { RunState } from "../core/task-state.ts";
import type { RunFilter } from "../run-store.ts";
import { sortedLabels } from "../sorted-labels.ts";
import { runStateOf } from "../state-message.ts";
import { labelPairs, listName, searchText } from "./list-filter.ts";
import { refuse } from "./validate.ts";

/** The years that timestamps have, 1 to 9999, less their last second: rounded up it is in none. */
const minSeconds = -62_135_596_800n;
const maxSeconds = 253_402_300_798n;

/** What a request wants listed. Throws `FIELD_INVALID` with every fault. */
export function runFilter(request: ListRunsRequest): RunFilter {
  const faults: FieldFault[] = [];
  const fault = (path: string, message: string): undefined => {
    faults.push({ path, reason: "FIELD_INVALID", message });
  };
  const idOf = (path: string, id: string): string | undefined => {
    if (id === "") return undefined;
    return isRunId(id) ? id : fault(path, "is not an id");
  };
  const timeOf = (path: string, time: Timestamp | undefined): Date | undefined => {
    if (time === undefined) return undefined;
    const { seconds, nanos } = time;
    const isTime = seconds >= minSeconds && seconds <= maxSeconds && nanos >= 0 && nanos < 1_000_000_000;
    // Runs are accepted at whole milliseconds.
    return isTime
      ? new Date(Number(seconds) * 1_000 + Math.ceil(nanos / 1_000_000))
      : fault(path, "is no time");
  };
  const states = request.states.flatMap((state, index): RunState[] => {
    const known = runStateOf(state);
    if (known === undefined) fault(`states[${index}]`, "is not a state of a run");
    return known === undefined ? [] : [known];
  });
  const filter: RunFilter = {
    states,
    workflowId: idOf("workflow_id", request.workflowId),
    name: searchText("name", request.name, faults),
    createdAfter: timeOf("created_after", request.createdAfter),
    createdBefore: timeOf("created_before", request.createdBefore),
    labels: labelPairs("labels", request.labels, faults),
    text: searchText("text", request.text, faults),
    parentRunId: idOf("parent_run_id", request.parentRunId),
    scheduleId: idOf("schedule_id", request.scheduleId),
    includeChildren: request.includeChildren,
  };
  refuse(faults);
  return filter;
}

/** The name of the list that a request asks for, for page tokens: another filter is another list. */
export function runListName(request: ListRunsRequest): string {
  const labels = sortedLabels(request.labels);
  return listName("runs", ListRunsRequestSchema, { ...request, labels, pageSize: 0, pageToken: "" });
}
