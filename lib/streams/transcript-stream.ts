/*
 * antiphon:io:{<task>}   NUMBERED STREAM, ids <attempt>-<seq>
 *
 * A task's transcript while it lives: what is not archived yet. Appended by the
 * worker that holds the committed lease; read and trimmed to what is archived by
 * any taskio. The broker itself refuses entries of an older attempt once a newer
 * one has begun. The braces keep the stream in one slot of a Redis Cluster.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Entry, EntrySchema } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";

const prefix = "antiphon:io:{";

/** What the names of all transcripts begin with. */
export const transcriptStreamPrefix = prefix;

export const transcriptStreamOf = (taskId: string): string => `${prefix}${taskId}}`;

/** The task whose transcript a stream is. */
export const taskOfTranscriptStream = (stream: string): string => stream.slice(prefix.length, -1);

export const encodeEntry = (entry: Entry): Uint8Array => toBinary(EntrySchema, entry);

/** Throws when the bytes are not an entry. */
export const decodeEntry = (body: Uint8Array): Entry => fromBinary(EntrySchema, body);
