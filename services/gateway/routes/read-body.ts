import type { ServerRequest } from "../../../lib/rpc/serve.ts";

/** No plain route takes a larger body. */
const maxBodyBytes = 64 * 1024;

/**
 * Reads a request's body; undefined when it is larger than 64 KiB, of which the
 * rest is not read. Rejects when the caller hangs up.
 */
export function readBody(request: ServerRequest): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= maxBodyBytes) return;
      // Paused and not destroyed, so that the caller can be told.
      request.off("data", take).pause();
      resolve(undefined);
    };
    request.on("data", take);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => reject(new Error("the caller hung up")));
  });
}
