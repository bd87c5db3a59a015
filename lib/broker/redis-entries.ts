import type { Entry, EntryId } from "./broker.ts";

/** The one field of a stream entry. `scripts/numbered.lua` writes it too. */
export const bodyField = "body";

/** What XRANGE answers on a RESP2 connection: ids with their flat lists of field and value. */
export type EntriesReply = readonly (readonly [id: Buffer, fields: readonly Buffer[] | null])[];

/** What XREAD and XREADGROUP answer on a RESP2 connection; null when nothing came. */
export type StreamsReply = readonly (readonly [stream: Buffer, entries: EntriesReply])[] | null;

/** The entries of several streams, in the order of the reply. */
export function entriesOfStreams(reply: StreamsReply): Entry[] {
  return (reply ?? []).flatMap(([stream, entries]) => entriesOf(stream.toString(), entries));
}

/** The entries of one stream. An entry that somebody added without a body has an empty one. */
export function entriesOf(stream: string, reply: EntriesReply): Entry[] {
  return reply.map(([id, fields]) => ({
    stream,
    id: id.toString("latin1") as EntryId,
    body: fields?.[1] ?? new Uint8Array(),
  }));
}

/** A value out of the flat list of names and values that XINFO answers; undefined when the server does not give it. */
export function infoValue(reply: readonly unknown[], name: string): unknown {
  const at = reply.indexOf(name);
  return at < 0 ? undefined : reply[at + 1];
}

/** The same bytes in the form that the client sends as they are. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
