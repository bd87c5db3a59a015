import { create } from "@bufbuild/protobuf";
import { type Program, ProgramSchema } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError, type Reason } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
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

/** Refusals that are not of the moment's making: whoever submits again uploads again. */
const refusals: ReadonlySet<Reason | undefined> = new Set(["TASK_ACTIVE", "TASK_LIMIT", "REQUEST_ID_REUSED"]);

/** Submits something of a client's file; gives the file up, if it was for one use, once that is stored or refused. */
export async function spending<Stored>(
  uploadId: string | undefined,
  { clientId, uploads }: { readonly clientId: string; readonly uploads: Pick<UsedUploads, "spend"> },
  submit: () => Promise<Stored>,
): Promise<Stored> {
  const spend = async () => await uploads.spend(clientId, uploadId ?? "");
  try {
    const stored = await submit();
    await spend();
    return stored;
  } catch (thrown) {
    if (refusals.has(fromConnectError(toConnectError(thrown)).reason)) await spend();
    throw thrown;
  }
}
