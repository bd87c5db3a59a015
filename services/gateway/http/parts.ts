/*
 * Reads a multipart body as it comes.
 *
 *   M1. Nothing is kept of a file: its bytes are asked for only as fast as they
 *       are read, and a part comes only when the one before was read to its end.
 *   M2. What is over a limit ends the reading with a refusal; the rest of the
 *       body is not read.
 *   M3. Whoever stops reading in the middle, and a caller that hangs up, leave
 *       nothing behind.
 */
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import type { HoldBytes } from "./byte-budget.ts";
import { HttpRefusal } from "./http-refusal.ts";
import { declaredBytes } from "./read-body.ts";

/** What a multipart body may hold. */
export interface PartLimits {
  /** The largest file, in bytes. */
  readonly fileBytes: number;
  /** How many files at most. */
  readonly files: number;
  /** The largest value of a field, in bytes. */
  readonly fieldBytes: number;
  /** How many fields at most. */
  readonly fields: number;
  /** What is answered when a file is larger than it may; default 413. */
  readonly fileTooLarge?: () => HttpRefusal;
}

/** A part of a multipart body. */
export type Part =
  | { readonly kind: "field"; readonly name: string; readonly value: string }
  | {
      readonly kind: "file";
      readonly name: string;
      /** As the caller named it, without a path. */
      readonly fileName: string;
      readonly contentType: string;
      /** Its bytes; to be read to the end. Throws when it is larger than it may be. */
      readonly content: AsyncIterable<Uint8Array>;
    };

/** The parts of a request's body of at most `maxBytes`, in order; the values of fields are held. Throws HttpRefusal for a body that is none, is broken off or over a limit, and what `hold` throws. */
export async function* partsOf(
  request: ServerRequest,
  limits: PartLimits,
  { maxBytes, hold }: { readonly maxBytes: number; readonly hold: HoldBytes },
): AsyncGenerator<Part> {
  if ((declaredBytes(request) ?? 0) > maxBytes) throw bodyTooLarge(maxBytes);
  const parser = parserFor(request, limits);
  const arrived: (Part | { readonly kind: "broken"; readonly refusal: HttpRefusal })[] = [];
  let isOver = false;
  let wake = (): void => undefined;
  const tell = (part: (typeof arrived)[number]): void => {
    arrived.push(part);
    wake();
  };
  const broken = (message: string, status = 400): void => {
    tell({ kind: "broken", refusal: new HttpRefusal(status, message, { reason: "FIELD_INVALID" }) });
  };
  const tooMany = (what: string) => (): void => broken(`the form has too many ${what}`, 413);

  parser.on("field", (name, value, isNameCut, isValueCut) => {
    if (isNameCut || isValueCut) broken("a field of the form is too long", 413);
    else tell({ kind: "field", name, value });
  });
  const files = new Set<BusboyFileStream>();
  parser.on("file", (name, stream, fileName, _encoding, contentType) => {
    files.add(stream);
    stream.once("close", () => files.delete(stream));
    // Whoever reads it sees the error; before that nobody has to.
    stream.on("error", () => undefined);
    const content = contentOf(stream, limits);
    tell({ kind: "file", name, fileName: plainName(fileName), contentType, content });
  });
  parser.once("partsLimit", tooMany("parts"));
  parser.once("filesLimit", tooMany("files"));
  parser.once("fieldsLimit", tooMany("fields"));
  parser.once("error", () => broken("the form is malformed"));
  parser.once("finish", () => {
    isOver = true;
    wake();
  });
  const onClose = (): void => {
    if (request.complete) return;
    broken("the form is not complete");
    for (const file of files) file.destroy(new Error("the caller hung up"));
  };
  let readBytes = 0;
  const count = (chunk: Buffer): void => {
    readBytes += chunk.length;
    if (readBytes <= maxBytes) return;
    request.unpipe(parser).pause();
    tell({ kind: "broken", refusal: bodyTooLarge(maxBytes) });
    for (const file of files) file.destroy(bodyTooLarge(maxBytes));
  };
  request.once("close", onClose);
  request.on("data", count);
  request.pipe(parser);
  try {
    for (;;) {
      const part = arrived.shift();
      if (part?.kind === "broken") throw part.refusal;
      if (part?.kind === "field") hold(Buffer.byteLength(part.value));
      if (part !== undefined) yield part;
      else if (isOver) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    request.off("close", onClose).off("data", count);
    request.unpipe(parser);
    for (const file of files) file.destroy();
    parser.destroy();
  }
}

function parserFor(request: ServerRequest, limits: PartLimits): BusboyInstance {
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: {
        fileSize: limits.fileBytes,
        files: limits.files,
        fieldSize: limits.fieldBytes,
        fields: limits.fields,
        fieldNameSize: 100,
        parts: limits.files + limits.fields,
        headerPairs: 20,
        headerSize: 8 * 1024,
      },
    });
  } catch (cause) {
    throw new HttpRefusal(400, "the form has no boundary", { reason: "FIELD_INVALID", cause });
  }
}

async function* contentOf(
  stream: BusboyFileStream,
  { fileBytes, fileTooLarge }: PartLimits,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof HttpRefusal) throw cause;
    throw new HttpRefusal(400, "the form is not complete", { reason: "FIELD_INVALID", cause });
  }
  if (!stream.truncated) return;
  throw (
    fileTooLarge?.() ??
    new HttpRefusal(413, `the file has more than ${fileBytes} bytes`, { reason: "TOO_LARGE" })
  );
}

function bodyTooLarge(maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, `the body has more than ${maxBytes} bytes`, { reason: "TOO_LARGE" });
}

/** A file's name as some callers send it, with a path in front, without that. */
function plainName(fileName: string | undefined): string {
  return (fileName ?? "").split(/[/\\]/).at(-1) ?? "";
}
