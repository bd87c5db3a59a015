import { z } from "zod";
import type { Part } from "../../http/parts.ts";
import { checkedBody } from "../../http/read-call.ts";
import type { HttpCall } from "../../http/route.ts";
import { instant } from "./schedule-fields.ts";
import { fileTooLarge, maxFileBytes, type StoredFile, storeFile } from "./stored-file.ts";

const maxTimeoutSeconds = 30 * 24 * 60 * 60;

/** The largest body with a file, in bytes: the file, and room for fields. */
export const maxFormBytes = 8 * 1024 * 1024;

/** How long a question waits for its answer, in seconds; not above 0 for ever. */
export const inputTimeout = z.coerce.number().int().max(maxTimeoutSeconds);

/** What a form for a new task holds. */
export const submissionFields = z.object({
  file: z.string().optional().meta({ format: "binary", description: "A `.waldiez` file." }),
  file_url: z.string().max(2_000).optional().describe("Where the file is fetched, by https."),
  filename: z.string().max(200).optional().describe("The name of a file that was uploaded before."),
  env_vars: z.string().optional().describe("A JSON object: what the flow's environment holds besides."),
  input_timeout: inputTimeout.optional().describe("In seconds; not above 0 for ever."),
  skip_deps: z.stringbool().optional().describe("Whether what the flow lists is not installed."),
  message: z.string().optional().describe("What the flow is first told."),
  schedule_type: z.enum(["once", "cron"]).optional(),
  scheduled_time: instant.optional(),
  cron_expression: z.string().max(200).optional(),
  expires_at: instant.optional(),
  trigger_now: z.stringbool().default(false).describe("Whether a task by cron is carried out at once, too."),
  force: z.stringbool().default(false).describe("Whether the same file may be active twice."),
});

export type SubmissionFields = z.output<typeof submissionFields>;

/** A form that was read. */
export interface Submission {
  readonly fields: SubmissionFields;
  /** The file that came with it, stored. */
  readonly file: StoredFile | undefined;
}

const limits = { fileBytes: maxFileBytes, files: 1, fieldBytes: 64 * 1024, fields: 40, fileTooLarge };

type FormCall = Pick<
  HttpCall<unknown, unknown, SubmissionFields | undefined>,
  "body" | "parts" | "clients" | "signal"
>;

/** Reads the form of a new task and stores its file as it comes. Throws HttpRefusal for what is not as it should be. */
export async function readSubmission(call: FormCall): Promise<Submission> {
  // Without a file it may come as an ordinary form.
  if (call.body !== undefined) return { fields: call.body, file: undefined };
  const sent: Record<string, string> = {};
  let file: StoredFile | undefined;
  for await (const part of call.parts(limits)) {
    if (part.kind === "field") {
      // Browsers send what was left out as nothing.
      if (part.value !== "") sent[part.name] = part.value;
    } else if (isWanted(part)) file = await storeFile({ ...part, isSingleUse: true }, call);
    else for await (const _ of part.content);
  }
  return { fields: checkedBody(submissionFields, sent), file };
}

/** Whether a part is the task's file. A form whose field for it was left empty has one without a name. */
function isWanted({ name, fileName }: Extract<Part, { kind: "file" }>): boolean {
  return name === "file" && fileName !== "";
}
