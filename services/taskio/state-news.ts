import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { PromptState, TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import {
  PromptClosed_How,
  type PromptOpenedSchema,
  type Snapshot,
  SnapshotSchema,
  type TaskNews,
  TaskNewsSchema,
} from "../../gen/antiphon/taskio/v1/transcript_pb.ts";

type NewsInit = NonNullable<MessageInitShape<typeof TaskNewsSchema>["news"]>;

/** A task as it stands, for callers. */
export function snapshotOf({ state, attempt, prompts }: TaskIOState): Snapshot {
  const openPrompts = prompts.filter(({ closed }) => !closed).flatMap(({ prompt }) => prompt ?? []);
  return create(SnapshotSchema, { state, attempt, openPrompts });
}

/** The news of a task's snapshot: the first about it. */
export function snapshotNews(state: TaskIOState): TaskNews {
  return taskNews(state.taskId, { case: "snapshot", value: snapshotOf(state) });
}

/** What has changed between two states of a task. A prompt that came and went in between is in its transcript only. */
export function newsBetween(before: TaskIOState, after: TaskIOState): TaskNews[] {
  const wasOpen = openPromptIds(before);
  const news = after.prompts.flatMap((prompt) => {
    const promptId = prompt.prompt?.promptId ?? "";
    if (wasOpen.has(promptId)) return prompt.closed ? [promptClosed(after.taskId, promptId, prompt)] : [];
    return prompt.closed ? [] : [taskNews(after.taskId, { case: "promptOpened", value: promptOf(prompt) })];
  });
  const { state, attempt } = after;
  if (state === before.state && attempt === before.attempt) return news;
  return [...news, taskNews(after.taskId, { case: "stateChanged", value: { state, attempt } })];
}

/** The last news of a task that has ended. */
export function endNews({ taskId, state, failure }: TaskIOState): TaskNews {
  return taskNews(taskId, { case: "end", value: failure === undefined ? { state } : { state, failure } });
}

/** A sign of life. */
export const heartbeat: TaskNews = create(TaskNewsSchema, { news: { case: "heartbeat", value: {} } });

function promptOf({ prompt }: PromptState): MessageInitShape<typeof PromptOpenedSchema> {
  return prompt === undefined ? {} : { prompt };
}

function promptClosed(taskId: string, promptId: string, { answeredBy, timedOut }: PromptState): TaskNews {
  const unanswered = timedOut ? PromptClosed_How.TIMED_OUT : PromptClosed_How.ATTEMPT_ENDED;
  const how = answeredBy === "" ? unanswered : PromptClosed_How.ANSWERED;
  return taskNews(taskId, { case: "promptClosed", value: { promptId, how, answeredBy } });
}

function openPromptIds({ prompts }: TaskIOState): Set<string> {
  return new Set(prompts.filter(({ closed }) => !closed).map(({ prompt }) => prompt?.promptId ?? ""));
}

function taskNews(taskId: string, news: NewsInit): TaskNews {
  return create(TaskNewsSchema, { taskId, news });
}
