import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  type PromptStateSchema,
  TaskIOStateSchema,
} from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { PromptClosed_How as How } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { newsBetween } from "./state-news.ts";

const stateWith = (prompt: Exclude<MessageInitShape<typeof PromptStateSchema>, { $typeName: string }>) =>
  create(TaskIOStateSchema, {
    taskId: "t",
    state: TaskState.RUNNING,
    prompts: [{ prompt: { promptId: "p" }, ...prompt }],
  });

test.each([
  ["answered", { answeredBy: "alice" }, How.ANSWERED],
  ["answered by nobody in time", { timedOut: true }, How.TIMED_OUT],
  ["left by its attempt", {}, How.ATTEMPT_ENDED],
])("a question that is %s is closed so", (_, closing, how) => {
  const [news] = newsBetween(stateWith({ closed: false }), stateWith({ closed: true, ...closing }));
  expect(news?.news).toMatchObject({ case: "promptClosed", value: { promptId: "p", how } });
});
