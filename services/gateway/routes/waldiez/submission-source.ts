import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import type { HttpCall } from "../../http/route.ts";
import { type FetchFile, fileNameIn, fileUrlOf } from "./fetch-file.ts";
import type { Finding } from "./found-task.ts";
import { maxFileBytes, refuseName, type StoredFile, storeFile } from "./stored-file.ts";
import type { Submission } from "./submission-form.ts";

/** Who submits a file. */
type Submitting = Finding & Pick<HttpCall, "hold">;

/** The file of a new task, wherever it comes from. Throws HttpRefusal when it comes from nowhere or from several places, and when it is not to be had. */
export async function submissionSource(
  { fields, file }: Submission,
  fetchFile: FetchFile,
  finding: Submitting,
): Promise<StoredFile> {
  const { file_url: url, filename: name } = fields;
  const given = [file, url, name].filter((source) => source !== undefined);
  if (given.length === 0) throw missing("One of file, file_url and filename is required");
  if (given.length > 1) throw missing("Only one of file, file_url and filename may be given");
  if (url !== undefined) return await fetched(fileUrlOf(url), fetchFile, finding);
  return file ?? (await uploaded(name ?? "", finding));
}

async function fetched(url: URL, fetchFile: FetchFile, finding: Submitting): Promise<StoredFile> {
  const fileName = fileNameIn(url);
  refuseName(fileName);
  finding.hold(maxFileBytes);
  const bytes = await fetchFile(url, finding.signal);
  return await storeFile({ fileName, content: wholeContent(bytes), isSingleUse: true }, finding);
}

/** The file that the caller uploaded last under a name. What is a path is no name, so nothing else can be reached. */
async function uploaded(fileName: string, { clients, signal }: Finding): Promise<StoredFile> {
  refuseName(fileName);
  try {
    const { upload } = await clients.scheduler.getUpload({ fileName }, { signal });
    return { fileName, uploadId: upload?.uploadId ?? "", md5: upload?.md5 ?? "" };
  } catch (thrown) {
    if (fromConnectError(thrown).reason !== "UPLOAD_NOT_FOUND") throw thrown;
    throw new HttpRefusal(404, `File not found: ${fileName}`, { reason: "UPLOAD_NOT_FOUND" });
  }
}

/** Content that is there already, in pieces that a message holds. */
export async function* wholeContent(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const pieceBytes = 64 * 1024;
  for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
}

function missing(message: string): HttpRefusal {
  return new HttpRefusal(400, message, { reason: "FIELD_INVALID" });
}
