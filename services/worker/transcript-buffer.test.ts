import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Output_Stream } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { decodeEntry } from "../../lib/streams/transcript-stream.ts";
import { TranscriptBuffer } from "./transcript-buffer.ts";

const { STDOUT, STDERR } = Output_Stream;

const progress = {
  case: "progress",
  value: { $typeName: "antiphon.taskio.v1.Progress", fraction: 0.5, label: "" },
} as const;

function buffer(): { buffer: TranscriptBuffer; bytes: () => number } {
  let bytes = 0;
  const made = new TranscriptBuffer(3, (by) => {
    bytes += by;
  });
  return { buffer: made, bytes: () => bytes };
}

describe("a transcript buffer", () => {
  test("joins what one stream wrote, and keeps the order of everything else", () => {
    const { buffer: transcript } = buffer();
    transcript.addOutput(STDOUT, Buffer.from("a"), 1);
    transcript.addOutput(STDOUT, Buffer.from("b"), 2);
    transcript.addOutput(STDERR, Buffer.from("c"), 3);
    transcript.add(progress, 0, 4);
    transcript.addOutput(STDOUT, Buffer.from("d"), 5);
    transcript.number();
    const entries = transcript.all().bodies.map(decodeEntry);
    expect(entries.map(({ seq, attempt }) => [attempt, seq])).toEqual([
      [3, 1],
      [3, 2],
      [3, 3],
      [3, 4],
    ]);
    const said = entries.map(({ body }) =>
      body.case === "output" ? `${body.value.stream}:${Buffer.from(body.value.data).toString()}` : body.case,
    );
    expect(said).toEqual([`${STDOUT}:ab`, `${STDERR}:c`, "progress", `${STDOUT}:d`]);
  });

  test("makes chunks of 64 KiB at most, and loses no byte", () => {
    const { buffer: transcript } = buffer();
    const data = Buffer.alloc(200_000, "x");
    transcript.addOutput(STDOUT, data.subarray(0, 70_000), 0);
    transcript.addOutput(STDOUT, data.subarray(70_000), 0);
    transcript.number();
    const sizes = transcript.all().bodies.map((body) => {
      const entry = decodeEntry(body).body;
      return entry.case === "output" ? entry.value.data.length : 0;
    });
    expect(sizes).toEqual([65_536, 65_536, 65_536, 3_392]);
  });

  test("forgets what is archived and nothing else, whatever the broker answers when", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("say" as const), bytes: fc.integer({ min: 1, max: 3_000 }) }),
      fc.record({ kind: fc.constant("append" as const), maxBytes: fc.integer({ min: 1, max: 5_000 }) }),
      fc.record({ kind: fc.constant("archive" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant("lose" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { buffer: transcript, bytes } = buffer();
        let archived = 0;
        let appended = 0;
        for (const each of steps) {
          if (each.kind === "say") transcript.addOutput(STDOUT, new Uint8Array(each.bytes), 0);
          if (each.kind === "archive") archived += Math.floor((appended - archived) * each.share);
          if (each.kind === "append" || each.kind === "lose") {
            transcript.number();
            const written = each.kind === "lose" ? transcript.all() : transcript.next(each.maxBytes);
            expect(written.after).toBeLessThanOrEqual(appended);
            if (each.kind === "append") expect(written.after).toBe(appended);
            appended = Math.max(appended, written.after + written.bodies.length);
            transcript.appended({
              upTo: appended,
              firstLeft: archived < appended ? archived + 1 : undefined,
            });
            const left = transcript.all();
            expect(left.after).toBe(archived);
            expect(left.bodies.map((body) => decodeEntry(body).seq)[0] ?? archived + 1).toBe(archived + 1);
          }
        }
        transcript.clear();
        expect(bytes()).toBe(0);
      }),
    );
  });
});
