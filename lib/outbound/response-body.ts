import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from "node:zlib";

/** What became of reading a body. */
export type ReadBody =
  | { readonly kind: "read"; readonly bytes: Buffer }
  | { readonly kind: "too_large" }
  /** Compressed in a way that is not understood, or wrongly. */
  | { readonly kind: "unreadable" };

type Decompress = (compressed: Buffer, options: Pick<ZlibOptions, "maxOutputLength">) => Promise<Buffer>;

const decompressors: Readonly<Record<string, Decompress>> = {
  gzip: promisify(gunzip) as Decompress,
  "x-gzip": promisify(gunzip) as Decompress,
  deflate: promisify(inflate) as Decompress,
  br: promisify(brotliDecompress) as Decompress,
};

/** What `accept-encoding` asks for. */
export const acceptedEncodings = "gzip, deflate, br";

/** Reads a body whole, at most `maxBytes` of it both as it comes and decompressed. Rejects when it breaks off. */
export async function readBody(
  body: Readable,
  { encoding, maxBytes }: { readonly encoding: string | undefined; readonly maxBytes: number },
): Promise<ReadBody> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop ends the connection.
    if (size > maxBytes) return { kind: "too_large" };
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity" || size === 0) return { kind: "read", bytes };
  if (!Object.hasOwn(decompressors, name)) return { kind: "unreadable" };
  try {
    const decompressed = await decompressors[name]?.(bytes, { maxOutputLength: maxBytes });
    return decompressed === undefined ? { kind: "unreadable" } : { kind: "read", bytes: decompressed };
  } catch (error) {
    const isBomb = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    return { kind: isBomb ? "too_large" : "unreadable" };
  }
}
