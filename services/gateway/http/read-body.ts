import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import { type HoldBytes, smallBytes } from "./byte-budget.ts";
import { HttpRefusal } from "./http-refusal.ts";

/**
 * Reads a request's whole body. What is more than small is held before it is read:
 * the length that was declared, or `maxBytes` when none was.
 *
 * Throws HttpRefusal 413 when it is larger than `maxBytes`, and what `hold` throws;
 * the rest is not read then. 400 when the caller hangs up.
 */
export async function readBody(
  request: ServerRequest,
  { maxBytes, hold }: { readonly maxBytes: number; readonly hold: HoldBytes },
): Promise<Buffer> {
  const tooLarge = () =>
    new HttpRefusal(413, `the body has more than ${maxBytes} bytes`, { reason: "TOO_LARGE" });
  const declared = declaredBytes(request) ?? 0;
  if (declared > maxBytes) throw tooLarge();
  if (declared > smallBytes) hold(declared);
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let room = Math.max(declared, smallBytes);
    const breakOff = (error: unknown): void => {
      chunks.length = 0;
      // Paused and not destroyed, so that the caller can be told.
      request.off("data", take).pause();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) return breakOff(tooLarge());
      try {
        if (size > room) hold(maxBytes);
      } catch (refusal) {
        return breakOff(refusal);
      }
      if (size > room) room = maxBytes;
      chunks.push(chunk);
    };
    request.on("data", take);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => {
      chunks.length = 0;
      reject(new HttpRefusal(400, "the body is not complete"));
    });
  });
}

/** How long a request's body is, as its caller says; undefined when it does not. */
export function declaredBytes({ headers }: Pick<ServerRequest, "headers">): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? undefined : Number(length);
}
