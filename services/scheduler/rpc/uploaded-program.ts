import { create } from "@bufbuild/protobuf";
import { type Program, ProgramSchema } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { Uploads } from "../uploads.ts";
import { contentFaults } from "./program-faults.ts";
import { refuse } from "./validate.ts";

/** How callers' uploaded files are read. */
export type ReadUpload = Uploads["content"];

/**
 * A checked program with the content of the file that it names, if it names one;
 * undefined when its client has no such file, or not any more. Throws
 * `FILE_REJECTED` when what was uploaded is nothing that can be run.
 */
export async function withUpload(
  program: Program,
  { clientId, read }: { readonly clientId: string; readonly read: ReadUpload },
): Promise<Program | undefined> {
  const { uploadId, fileName } = program;
  if (uploadId === "") return program;
  const content = isRunId(uploadId) ? await read(clientId, uploadId) : undefined;
  if (content === undefined) return undefined;
  const whole = create(ProgramSchema, { ...program, content });
  refuse(contentFaults(whole), { file: fileName.slice(0, 200) });
  return whole;
}
