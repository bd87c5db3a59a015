import type { IncomingHttpHeaders } from "node:http";
import { entityTag, namesTag } from "../../http/entity-tag.ts";
import type { HttpAnswer } from "../../http/route.ts";

/** Something that is the same for as long as the process runs. */
export interface Content {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** The entity tag of the bytes. */
  readonly tag: string;
}

export function contentOf(bytes: Uint8Array, contentType: string): Content {
  return { bytes, contentType, tag: entityTag(bytes) };
}

/** Answers content, or that the caller has it (304). It may be kept, but has to be asked about again each time. */
export function answerContent(
  { bytes, contentType, tag }: Content,
  { "if-none-match": known }: IncomingHttpHeaders,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  const all = { ...headers, etag: tag, "cache-control": "no-cache" };
  if (namesTag(known, tag)) return { status: 304, headers: all };
  return { status: 200, headers: { ...all, "content-type": contentType }, body: bytes };
}
