import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

/** Smaller bodies are not worth it. */
const compressedFromBytes = 512;

/** The fastest level: it costs less than sending and storing what it saves. */
const options = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** The form in which a body is stored: compressed by zstd if that makes it smaller, else as it is. */
export function storedBody(body: Uint8Array): Uint8Array {
  if (body.length < compressedFromBytes) return body;
  const compressed = zstdCompressSync(body, options);
  return compressed.length < body.length ? compressed : body;
}

/** The body of which `stored` is the stored form, given its size. Throws when it is not. */
export function originalBody(stored: Uint8Array, size: number): Uint8Array {
  return stored.length < size ? zstdDecompressSync(stored, { maxOutputLength: size }) : stored;
}
