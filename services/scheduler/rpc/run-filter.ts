import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type ListRunsRequest,
  ListRunsRequestSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { RunState } from "../core/task-state.ts";
import type { RunFilter } from "../run-store.ts";
import { runStateOf } from "../state-message.ts";
import { labelForm, refuse } from "./validate.ts";

const maxTextLength = 200;
const maxLabels = 32;

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
  const textOf = (path: string, text: string): string | undefined => {
    if (text === "") return undefined;
    if (isShort(text)) return text;
    return fault(path, `is longer than ${maxTextLength} characters or has a zero character`);
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
  const labels = Object.entries(request.labels);
  if (labels.length > maxLabels) fault("labels", `has more than ${maxLabels} entries`);
  for (const [key, value] of labels.slice(0, maxLabels)) {
    if (!labelForm.test(key)) fault("labels", "has a key that no label has");
    else if (!isShort(value)) fault(`labels.${key}`, `is longer than ${maxTextLength} characters`);
  }
  const filter: RunFilter = {
    states,
    workflowId: idOf("workflow_id", request.workflowId),
    name: textOf("name", request.name),
    createdAfter: timeOf("created_after", request.createdAfter),
    createdBefore: timeOf("created_before", request.createdBefore),
    labels: labels.map(([key, value]) => `${key}=${value}`),
    text: textOf("text", request.text),
    parentRunId: idOf("parent_run_id", request.parentRunId),
    scheduleId: idOf("schedule_id", request.scheduleId),
    includeChildren: request.includeChildren,
  };
  refuse(faults);
  return filter;
}

/** The name of the list that a request asks for, for page tokens: another filter is another list. */
export function runListName(request: ListRunsRequest): string {
  const labels = Object.fromEntries(Object.entries(request.labels).sort(([a], [b]) => (a < b ? -1 : 1)));
  const filter = toBinary(ListRunsRequestSchema, { ...request, labels, pageSize: 0, pageToken: "" });
  return `runs ${createHash("sha256").update(filter).digest("base64url")}`;
}

function isShort(text: string): boolean {
  return text.length <= maxTextLength && !text.includes("\0");
}
