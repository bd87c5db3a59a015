import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { type Entry, EntrySchema, Output_Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { printed, recordedAt } from "../../../test/support/fake-task-io.ts";
import { TranscriptFrames } from "./transcript-frames.ts";

const taskId = "t1";

function entry(seq: number, body: NonNullable<MessageInitShape<typeof EntrySchema>["body"]>): Entry {
  return create(EntrySchema, { attempt: 1, seq, at: timestampFromMs(recordedAt.getTime()), body });
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const parsed = (frames: readonly string[]): unknown[] => frames.map((frame) => JSON.parse(frame) as unknown);
const dataOf = (frames: readonly string[]) =>
  parsed(frames).map((frame) => (frame as { data: unknown }).data);

describe("frames of a transcript", () => {
  test("are flat objects whose values are strings", () => {
    const frames = new TranscriptFrames({ taskId });
    expect(parsed(frames.entry(entry(1, printed("one\n"))))).toEqual([
      {
        type: "print",
        data: "one\n",
        task_id: taskId,
        timestamp: String(recordedAt.getTime() * 1_000),
        id: "10000000001-4",
      },
    ]);
    const asked = { promptId: "p1", text: "name? ", password: true };
    expect(parsed(frames.entry(entry(2, { case: "prompt", value: asked })))).toMatchObject([
      { type: "input_request", data: "name? ", request_id: "p1", password: "True", id: "10000000002-1" },
    ]);
    const answered = { promptId: "p1", text: "", password: true, answeredBy: "alice" };
    expect(parsed(frames.entry(entry(3, { case: "answer", value: answered })))).toMatchObject([
      { type: "input_response", data: "", request_id: "p1" },
    ]);
  });

  test("hold what a program sent as objects and lists as it is, and else as text", () => {
    const frames = new TranscriptFrames({ taskId });
    const event = { type: "text", content: { sender: "a", content: "hi" } };
    expect(
      [event, [1], "x", 5].flatMap((value, index) =>
        dataOf(frames.entry(entry(index + 1, { case: "message", value: { json: json(value) } }))),
      ),
    ).toEqual([event, [1], '"x"\n', "5\n"]);
  });

  test("of what else a transcript has are prints", () => {
    const frames = new TranscriptFrames({ taskId });
    const all = [
      frames.entry(entry(1, { case: "progress", value: { fraction: 0.5, label: "half" } })),
      frames.entry(entry(2, { case: "artifact", value: { path: "a.txt", name: "A" } })),
      frames.entry(entry(3, { case: "truncated", value: { limit: 10n } })),
      frames.entry(entry(4, { case: "lost", value: { firstSeq: 4 } })),
    ].flat();
    expect(parsed(all)).toMatchObject([
      { type: "print", data: { type: "progress", content: { fraction: 0.5, label: "half" } } },
      { type: "print", data: { type: "artifact", content: { path: "a.txt", name: "A" } } },
      { type: "print", data: "[output beyond 10 bytes is dropped]\n" },
      { type: "print", data: "[what came before this is lost]\n" },
    ]);
  });

  test("are in the order of the transcript, also where a line has not ended", () => {
    const frames = new TranscriptFrames({ taskId });
    const all = [
      frames.entry(entry(1, printed("out"))),
      frames.entry(entry(2, printed("err\n", Output_Stream.STDERR))),
      frames.entry(entry(3, printed("put\nname: "))),
      frames.entry(entry(4, { case: "prompt", value: { promptId: "p1", text: "name: " } })),
      frames.end(),
    ].flat();
    expect(dataOf(all)).toEqual(["out", "err\n", "put\n", "name: ", "name: "]);
  });

  test("end with what is left, and a last line where there is one", () => {
    const frames = new TranscriptFrames({ taskId });
    frames.entry(entry(1, printed("left")));
    expect(frames.hasRest).toBe(true);
    expect(parsed(frames.end("last\n"))).toMatchObject([
      { data: "left", id: "10000000001-4" },
      { data: "last\n", id: "10000000002-0" },
    ]);
  });

  test("after an id are those behind it", () => {
    const entries = [
      entry(1, printed("one\ntwo\n")),
      entry(2, { case: "prompt", value: { promptId: "p1", text: "?" } }),
      entry(3, printed("three\n")),
    ];
    const after = (place: { seq: number; offset: number }) => {
      const frames = new TranscriptFrames({ taskId, after: { attempt: 1, ...place } });
      return dataOf(entries.flatMap((each) => frames.entry(each)));
    };
    expect(after({ seq: 1, offset: 4 })).toEqual(["two\n", "?", "three\n"]);
    expect(after({ seq: 1, offset: 8 })).toEqual(["?", "three\n"]);
    expect(after({ seq: 2, offset: 1 })).toEqual(["three\n"]);
  });
});
