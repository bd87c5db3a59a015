import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import { HttpRefusal } from "./http-refusal.ts";

/** Reads a request's whole body. Throws HttpRefusal 413 when it is larger than `maxBytes`, of which the rest is not read, and 400 when the caller hangs up. */
export async function readBody(request: ServerRequest, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new HttpRefusal(413, `the body has more than ${maxBytes} bytes`, { reason: "TOO_LARGE" });
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > maxBytes) throw tooLarge();
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= maxBytes) return;
      // Paused and not destroyed, so that the caller can be told.
      request.off("data", take).pause();
      reject(tooLarge());
    };
    request.on("data", take);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => reject(new HttpRefusal(400, "the body is not complete")));
  });
}
