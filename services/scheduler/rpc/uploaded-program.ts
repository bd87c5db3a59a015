import { create } from "@bufbuild/protobuf";
import { type Program, ProgramSchema } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { Uploads } from "../uploads.ts";

/** How callers' uploaded files are read, and given up when they were for one use. */
export type UsedUploads = Pick<Uploads, "content" | "spend">;

/**
 * A checked program with the content of the file that it names, if it names one;
 * undefined when its client has no such file, or not any more. Throws
 * `FILE_REJECTED` for an empty file; whether what was uploaded is a flow is told
 * when it runs, as clients of the Waldiez runner expect.
 */
export async function withUpload(
  program: Program,
  { clientId, uploads }: { readonly clientId: string; readonly uploads: Pick<UsedUploads, "content"> },
): Promise<Program | undefined> {
  const { uploadId, fileName } = program;
  if (uploadId === "") return program;
  const content = isRunId(uploadId) ? await uploads.content(clientId, uploadId) : undefined;
  if (content === undefined) return undefined;
  if (content.length === 0) {
    const empty = {
      path: "program.upload_id",
      reason: "FILE_REJECTED",
      message: "is of an empty file",
    } as const;
    throw DomainError.ofFaults([empty], { file: fileName.slice(0, 200) });
  }
  return create(ProgramSchema, { ...program, content });
}
