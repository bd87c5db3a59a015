import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type SchedulerService,
  type UploadFileRequest,
  UploadSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { Upload } from "../upload-store.ts";
import type { Uploads } from "../uploads.ts";
import { owningOf } from "./access.ts";

const maxNameLength = 200;

type UploadRpcs = Pick<ServiceImpl<typeof SchedulerService>, "uploadFile" | "getUpload">;

/** The RPCs about files that tasks are submitted of. An admin has its own, and sees no others. */
export function uploads(kept: Pick<Uploads, "keep" | "named">): UploadRpcs {
  return {
    async uploadFile(requests, context) {
      const { clientId } = owningOf(context);
      const parts = requests[Symbol.asyncIterator]();
      const first = await parts.next();
      const fileName = first.done === true ? undefined : nameOf(first.value);
      if (first.done === true || fileName === undefined || !isPlainName(fileName)) {
        throw invalid("file_name", "is missing from the first message, or not the plain name of a file");
      }
      const isSingleUse = first.value.singleUse;
      const upload = await kept.keep({ clientId, fileName, isSingleUse }, chunksOf(parts), context.signal);
      return { upload: uploadMessage(upload) };
    },

    async getUpload({ fileName }, context) {
      const upload = isPlainName(fileName)
        ? await kept.named(owningOf(context).clientId, fileName)
        : undefined;
      if (upload === undefined) {
        throw new DomainError("UPLOAD_NOT_FOUND", "there is no uploaded file of this name", {
          file_name: fileName.slice(0, maxNameLength),
        });
      }
      return { upload: uploadMessage(upload) };
    },
  };
}

function nameOf({ part }: UploadFileRequest): string | undefined {
  return part.case === "fileName" ? part.value : undefined;
}

async function* chunksOf(parts: AsyncIterator<UploadFileRequest>): AsyncGenerator<Uint8Array> {
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
    const { part } = next.value;
    if (part.case !== "chunk") throw invalid("chunk", "is missing from a message after the first");
    yield part.value;
  }
}

function isPlainName(name: string): boolean {
  return /^[^/\\\0]+$/.test(name) && name.length <= maxNameLength && name !== "." && name !== "..";
}

function uploadMessage({ uploadId, fileName, size, md5, createdAt }: Upload) {
  const times = { createdAt: timestampFromDate(createdAt) };
  return create(UploadSchema, { uploadId, fileName, size: BigInt(size), md5, ...times });
}

function invalid(path: string, message: string): DomainError {
  return DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message }]);
}
