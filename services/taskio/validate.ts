import { durationMs } from "@bufbuild/protobuf/wkt";
import * as z from "zod";
import type {
  AttachRequest_Answer,
  AttachRequest_Open,
  GetTranscriptRequest,
  SendInputRequest,
  WatchRequest,
} from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { parseCursor } from "./cursor.ts";

const maxAnswerBytes = 65_536;
const maxTasks = 100;
const maxPageSize = 1_000;
const defaultPageSize = 200;
const maxWaitMs = 30_000;

/** Longer than any id that there is. */
const maxIdLength = 200;

const taskId = z.string().min(1, "is required").max(maxIdLength, "is no task's id");
const promptId = z.string().min(1, "is required").max(maxIdLength, "is no prompt's id");
const requestId = z.string().max(100, "has more than 100 characters");
const answer = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= maxAnswerBytes, "is longer than 64 KiB");
const after = z.string().transform((text, context) => {
  const cursor = parseCursor(text);
  if (cursor !== undefined) return cursor;
  context.addIssue("is no cursor, such as 2-17");
  return z.NEVER;
});

const watchedTask = z.object({ taskId, after });
const tasks = z
  .array(watchedTask)
  .min(1, "names no task")
  .max(maxTasks, `names more than ${maxTasks} tasks`)
  .superRefine((all, context) => {
    for (const [index, { taskId }] of all.entries()) {
      if (all.findIndex((other) => other.taskId === taskId) === index) continue;
      context.addIssue({ code: "custom", path: [index, "taskId"], message: "is named twice" });
    }
  });
const watch = z.object({ tasks });
const givenAnswer = z.object({ promptId, text: answer, requestId });
const input = givenAnswer.extend({ taskId });
const range = z.object({
  taskId,
  after,
  pageSize: z
    .int()
    .min(0, "is negative")
    .transform((size) => Math.min(size || defaultPageSize, maxPageSize)),
});

/** Checks what is to be watched. Throws FIELD_INVALID. */
export const validWatch = (request: WatchRequest) => validated(watch, request).tasks;

/** Checks the first message of an Attach. Throws FIELD_INVALID. */
export const validOpen = (open: AttachRequest_Open) => validated(watchedTask, open, "open.");

/** Checks an answer within an Attach. Throws FIELD_INVALID. */
export const validAnswer = (given: AttachRequest_Answer) => validated(givenAnswer, given, "answer.");

/** Checks an answer. Throws FIELD_INVALID. */
export const validInput = (request: SendInputRequest) => validated(input, request);

/** Checks what is asked of a transcript and sets defaults and bounds. Throws FIELD_INVALID. */
export function validRange(request: GetTranscriptRequest) {
  const waitMs = request.wait === undefined ? 0 : durationMs(request.wait);
  return { ...validated(range, request), waitMs: Math.min(Math.max(waitMs, 0), maxWaitMs) };
}

/** The refusal of a request with one fault. */
export function invalidField(path: string, message: string): DomainError {
  return DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message }]);
}

function validated<Output>(schema: z.ZodType<Output>, request: unknown, root = ""): Output {
  const result = schema.safeParse(request);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => ({
    path: root + protoPath(path),
    reason: "FIELD_INVALID" as const,
    message,
  }));
  throw DomainError.ofFaults(faults);
}

function protoPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((before, part) => {
    if (typeof part === "number") return `${before}[${part}]`;
    const name = String(part).replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return before === "" ? name : `${before}.${name}`;
  }, "");
}
