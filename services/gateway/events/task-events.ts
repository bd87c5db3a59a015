import { isUtf8 } from "node:buffer";
import { type Failure, type Prompt, TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import {
  type Entry,
  PromptClosed_How as How,
  Output_Stream,
} from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { isoOf } from "../instant.ts";
import type { StreamEvent } from "./event-stream.ts";
import { cursorOf, type News } from "./followed-task.ts";

/** The id of a task's end: who asks for what comes after it hears that there is nothing. */
export const endId = "end";

/** News of a task as an event; undefined for what callers need not know. */
export function taskEvent(news: News): StreamEvent | undefined {
  switch (news.case) {
    case "entry":
      return entryEvent(news.value);
    case "snapshot": {
      const { state, attempt, openPrompts } = news.value;
      return {
        event: "snapshot",
        data: { state: stateName(state), attempt, open_prompts: openPrompts.map(promptJson) },
      };
    }
    case "stateChanged": {
      const { state, attempt } = news.value;
      return { event: "state", data: { state: stateName(state), attempt } };
    }
    case "promptOpened":
      return news.value.prompt && { event: "prompt_opened", data: promptJson(news.value.prompt) };
    case "promptClosed": {
      const { promptId, how, answeredBy } = news.value;
      return {
        event: "prompt_closed",
        data: { prompt_id: promptId, how: howNames[how] ?? "unknown", answered_by: answeredBy },
      };
    }
    case "end": {
      const { state, failure } = news.value;
      const ended = { state: stateName(state), ...(failure && { failure: failureJson(failure) }) };
      return { id: endId, event: "end", data: ended };
    }
    case "heartbeat":
    case undefined:
    default:
      return undefined;
  }
}

function entryEvent(entry: Entry): StreamEvent | undefined {
  const said = saidBy(entry.body);
  if (said === undefined) return undefined;
  const { attempt, seq, at } = entry;
  return {
    id: cursorOf(entry),
    event: said.event,
    data: { attempt, seq, at: isoOf(at), ...said.data },
  };
}

function saidBy(body: Entry["body"]): StreamEvent | undefined {
  switch (body.case) {
    case "output": {
      const { stream, data } = body.value;
      return { event: "output", data: { stream: streamNames[stream] ?? "system", ...outputJson(data) } };
    }
    case "message":
      return { event: "message", data: { value: parsed(body.value.json) } };
    case "progress":
      return { event: "progress", data: { fraction: body.value.fraction, label: body.value.label } };
    case "artifact":
      return { event: "artifact", data: { path: body.value.path, name: body.value.name } };
    case "prompt": {
      const { promptId, text, password, choices } = body.value;
      return { event: "prompt", data: { prompt_id: promptId, text, password, choices } };
    }
    case "answer": {
      const { promptId, text, password, answeredBy } = body.value;
      return { event: "answer", data: { prompt_id: promptId, text, password, answered_by: answeredBy } };
    }
    case "truncated":
      return { event: "truncated", data: { limit_bytes: Number(body.value.limit) } };
    case "lost":
      return { event: "lost", data: { first_seq: body.value.firstSeq } };
    case undefined:
    default:
      return undefined;
  }
}

/** Text where the bytes are some; chunks that begin or end within a character are sent as bytes. */
function outputJson(data: Uint8Array): object {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString("base64") };
}

function promptJson({ promptId, attempt, text, password, openedAt, choices }: Prompt): object {
  return { prompt_id: promptId, attempt, text, password, choices, opened_at: isoOf(openedAt) };
}

function failureJson({ reason, message, nodeId, exitCode }: Failure): object {
  return {
    reason,
    message,
    ...(nodeId !== "" && { node_id: nodeId }),
    ...(exitCode !== undefined && { exit_code: exitCode }),
  };
}

const streamNames: Readonly<Partial<Record<Output_Stream, string>>> = {
  [Output_Stream.STDOUT]: "stdout",
  [Output_Stream.STDERR]: "stderr",
};

const howNames: Readonly<Partial<Record<How, string>>> = {
  [How.ANSWERED]: "answered",
  [How.ATTEMPT_ENDED]: "attempt_ended",
  [How.TIMED_OUT]: "timed_out",
};

const stateNames = new Map<number, string>(
  Object.entries(TaskState).map(([name, state]) => [state, name.toLowerCase()]),
);

function stateName(state: TaskState): string {
  return stateNames.get(state) ?? "unspecified";
}

function parsed(json: Uint8Array): unknown {
  const text = Buffer.from(json).toString();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
