import { create } from "@bufbuild/protobuf";
import { EntrySchema, LostSchema } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { encodeEntry } from "../../lib/streams/transcript-stream.ts";
import type { Missing } from "./succession.ts";
import type { StoredEntry } from "./transcript-store.ts";

/** The entry that says that others can not be recovered, in place of the last of them. */
export function lostEntry({ attempt, firstSeq, lastSeq }: Missing): StoredEntry {
  const entry = create(EntrySchema, {
    attempt,
    seq: lastSeq,
    body: { case: "lost", value: create(LostSchema, { firstSeq }) },
  });
  return { attempt, seq: lastSeq, body: encodeEntry(entry) };
}
