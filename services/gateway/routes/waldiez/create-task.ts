import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import type { ProgramSchema } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { idempotencyKeyOf } from "../../http/idempotency-key.ts";
import { type HttpAnswer, type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { readEnvVars } from "./env-vars.ts";
import { flowIdOf, nonceFor } from "./flow-id.ts";
import { wantedSchedule } from "./schedule-fields.ts";
import { storeSchedule } from "./store-schedule.ts";
import {
  inputTimeout,
  maxFormBytes,
  readSubmission,
  type SubmissionFields,
  submissionFields,
} from "./submission-form.ts";
import { submissionSource } from "./submission-source.ts";
import { submitTask } from "./submit-task.ts";
import { taskJson, taskSchema } from "./task-json.ts";
import { makeTasks } from "./waldiez-access.ts";
import type { WaldiezNeeds, WaldiezSettings } from "./waldiez-needs.ts";

const query = z.object({
  input_timeout: inputTimeout.optional().describe("As in the form, which goes first."),
});

/** The longest that any task may run, in seconds: 7 days. */
const mostTaskSeconds = 7 * 24 * 60 * 60;

type CreateCall = HttpCall<unknown, z.output<typeof query>, SubmissionFields | undefined>;

/** `POST /api/v1/tasks`: carries out a flow, at once or by a schedule. */
export function createTask(needs: WaldiezNeeds): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/api/v1/tasks",
    access: makeTasks,
    tag: "Tasks",
    summary: "Carries out a flow, at once or at given times",
    description:
      "Takes exactly one of `file`, `file_url` and `filename`. With the same `Idempotency-Key` and the same file a repeat answers the same task.",
    style: "waldiez",
    query,
    body: {
      kinds: ["multipart", "form"],
      schema: submissionFields.prefault({}),
      optional: true,
      maxBytes: maxFormBytes,
    },
    headers: ["Idempotency-Key"],
    responses: {
      200: { description: "The task as stored.", schema: taskSchema },
      400: { description: "The file, the environment or the number of active tasks is not as it may be." },
      404: { description: "No file of this name was uploaded." },
      409: { description: "The `Idempotency-Key` was used for another task." },
      413: { description: "The form is larger than 8 MiB." },
      429: { description: "The operator's service does not permit another task." },
      422: { description: "A field is not of its form, or fields do not go together." },
    },
    handle: async (call) => await create(call, needs),
  });
}

async function create(call: CreateCall, needs: WaldiezNeeds): Promise<HttpAnswer> {
  const idempotencyKey = idempotencyKeyOf(call.headers);
  await permitted(call, needs);
  const { fields, file } = await readSubmission(call);
  const env = readEnvVars(fields.env_vars);
  const schedule = wantedSchedule(fields, new Date());
  const source = await submissionSource({ fields, file }, needs.fetchFile, call);
  const nonce = fields.force ? nonceFor(idempotencyKey) : undefined;
  const flowId = flowIdOf(source, nonce);
  const program: MessageInitShape<typeof ProgramSchema> = {
    fileName: source.fileName,
    uploadId: source.uploadId,
    env: { ...env },
    message: fields.message ?? "",
    skipRequirements: fields.skip_deps ?? false,
    ...timesOf(fields.input_timeout ?? call.query.input_timeout, needs.settings),
  };
  const found =
    schedule === undefined
      ? await submitTask({ program, flowId, idempotencyKey, maxActive: needs.settings.maxJobs }, call)
      : await storeSchedule(
          { program, schedule, flowId, idempotencyKey, triggerNow: fields.trigger_now },
          call,
        );
  return { status: 200, body: taskJson(found, { now: new Date() }) };
}

/** The Waldiez runner answers a denial of the operator's service as it does too many tasks. */
async function permitted({ caller }: CreateCall, { permit }: WaldiezNeeds): Promise<void> {
  if (caller === undefined) return;
  try {
    await permit(caller);
  } catch (thrown) {
    if (!(thrown instanceof DomainError) || thrown.reason !== "NOT_PERMITTED") throw thrown;
    throw new HttpRefusal(429, thrown.message, { reason: thrown.reason, cause: thrown });
  }
}

function timesOf(
  inputTimeoutSeconds: number | undefined,
  settings: WaldiezSettings,
): Pick<MessageInitShape<typeof ProgramSchema>, "promptTimeout" | "wallTime"> {
  const promptSeconds = inputTimeoutSeconds ?? settings.inputTimeoutSeconds;
  return {
    ...(promptSeconds > 0 && { promptTimeout: durationFromMs(promptSeconds * 1_000) }),
    wallTime: durationFromMs(
      (settings.maxTaskSeconds > 0 ? settings.maxTaskSeconds : mostTaskSeconds) * 1_000,
    ),
  };
}
