/*
 * Hands a file that a task is to be submitted of on to the scheduler, as it comes.
 *
 *   F1. No more of it is in memory than its beginning, which tells what it is, and
 *       what is on the way.
 *   F2. What breaks off, is too large or is no text is not kept.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { UploadFileRequestSchema } from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import type { Finding } from "./found-task.ts";
import { looksLikeText, sniffedBytes } from "./text-check.ts";

/** The largest file, in bytes. */
export const maxFileBytes = 5 * 1024 * 1024;

/** A file that the scheduler keeps. */
export interface StoredFile {
  readonly fileName: string;
  readonly uploadId: string;
  /** In lower-case hexadecimal. */
  readonly md5: string;
}

type UploadPart = MessageInitShape<typeof UploadFileRequestSchema>;

/** Stores a file, for one task alone where `isSingleUse`. Throws HttpRefusal 400 for a name or a content that is none of a flow, and what `content` throws. */
export async function storeFile(
  {
    fileName,
    content,
    isSingleUse = false,
  }: {
    readonly fileName: string;
    readonly content: AsyncIterable<Uint8Array>;
    readonly isSingleUse?: boolean;
  },
  { clients, signal }: Finding,
): Promise<StoredFile> {
  refuseName(fileName);
  const chunks = content[Symbol.asyncIterator]();
  const beginning = await beginningOf(chunks);
  refuseContent(Buffer.concat(beginning));
  const sent = new SentParts({ fileName, isSingleUse }, beginning, chunks);
  try {
    const { upload } = await clients.scheduler.uploadFile(sent, { signal });
    if (upload === undefined) throw new TypeError("an upload was answered without its file");
    return { fileName, uploadId: upload.uploadId, md5: upload.md5 };
  } catch (thrown) {
    // What broke the call says more than that it broke.
    throw sent.broken ?? thrown;
  }
}

/** Throws HttpRefusal 400 unless a name is that of a flow's file, without a path. */
export function refuseName(fileName: string): void {
  if (!/^[^./\\\0][^/\\\0]{0,191}\.waldiez$/.test(fileName)) throw rejected("Invalid file type");
}

/** Throws HttpRefusal 400 unless a file that begins like this is text. */
export function refuseContent(beginning: Uint8Array): void {
  if (beginning.length === 0) throw rejected("The file is empty");
  if (!looksLikeText(beginning)) throw rejected("Invalid file type: application/octet-stream");
}

function rejected(message: string): HttpRefusal {
  return new HttpRefusal(400, message, { reason: "FILE_REJECTED" });
}

/** The refusal of a file for its size. */
export function fileTooLarge(): HttpRefusal {
  const message = `File exceeds maximum size of ${(maxFileBytes / 1_048_576).toFixed(1)} MB`;
  return new HttpRefusal(400, message, { reason: "TOO_LARGE" });
}

/** The first chunks of a file, until they tell what it is or there are no more. */
async function beginningOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array[]> {
  const beginning: Uint8Array[] = [];
  for (let size = 0; size < sniffedBytes; ) {
    const next = await chunks.next();
    if (next.done === true) break;
    if (next.value.length > 0) beginning.push(next.value);
    size += next.value.length;
  }
  return beginning;
}

/** The messages that a file is sent in; remembers what it broke off with. */
class SentParts implements AsyncIterable<UploadPart> {
  readonly #file: { readonly fileName: string; readonly isSingleUse: boolean };
  readonly #beginning: readonly Uint8Array[];
  readonly #rest: AsyncIterator<Uint8Array>;
  broken: unknown;

  constructor(
    file: { readonly fileName: string; readonly isSingleUse: boolean },
    beginning: readonly Uint8Array[],
    rest: AsyncIterator<Uint8Array>,
  ) {
    this.#file = file;
    this.#beginning = beginning;
    this.#rest = rest;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<UploadPart> {
    const { fileName, isSingleUse } = this.#file;
    yield { part: { case: "fileName", value: fileName }, singleUse: isSingleUse };
    for (const chunk of this.#beginning) yield chunkPart(chunk);
    try {
      for (let next = await this.#rest.next(); next.done !== true; next = await this.#rest.next()) {
        yield chunkPart(next.value);
      }
    } catch (error) {
      this.broken = error;
      throw error;
    }
  }
}

function chunkPart(chunk: Uint8Array): UploadPart {
  return { part: { case: "chunk", value: chunk } };
}
