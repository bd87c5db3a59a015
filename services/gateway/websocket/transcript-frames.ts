/*
 * What a task wrote, asked and was told, as the frames that clients of the
 * Waldiez runner know.
 *
 *   T1. Frames are in the order of the transcript: what is left of a line is given
 *       up before anything of another stream or kind.
 *   T2. A frame's id names the place behind it to the byte, and everything before
 *       that place was given; so frames after an id are exactly those not seen.
 *   T3. Every value is a string, but `data` of a structured message.
 */
import type { Entry, Output, Output_Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { instantOf } from "../instant.ts";
import { frameId, type Place } from "./frame-id.ts";
import { OutputLines, type Piece } from "./output-lines.ts";

/** What frames are made with. */
export interface FrameNeeds {
  /** As its watcher knows the task. */
  readonly taskId: string;
  /** The place behind the last frame that is not wanted again. */
  readonly after?: Place | undefined;
}

/** What a frame says besides where it stands. */
interface Said {
  readonly type: "print" | "input_request" | "input_response";
  readonly data: unknown;
  readonly request_id?: string;
  readonly password?: "True" | "False";
}

/** Makes frames of a task's entries, which come in order. */
export class TranscriptFrames {
  readonly #taskId: string;
  readonly #lines = new OutputLines();
  #stream: Output_Stream | undefined;
  #after: Place | undefined;
  #last: Place = { attempt: 1, seq: 0, offset: 0 };
  #at = new Date(0);

  constructor({ taskId, after }: FrameNeeds) {
    this.#taskId = taskId;
    this.#after = after;
  }

  /** Whether a part of a line waits for its end. */
  get hasRest(): boolean {
    return this.#lines.hasRest;
  }

  /** The frames that an entry makes, as JSON. */
  entry(entry: Entry): readonly string[] {
    const from = this.#seen(entry);
    if (from === "whole") return [];
    const { body } = entry;
    if (body.case !== "output") {
      const before = this.#written(this.#lines.end());
      this.#at = instantOf(entry.at);
      const said = saidBy(body);
      const place = { attempt: entry.attempt, seq: entry.seq, offset: 1 };
      return said === undefined ? before : [...before, this.#frame(place, said)];
    }
    const before = body.value.stream === this.#stream ? [] : this.#written(this.#lines.end());
    this.#stream = body.value.stream;
    this.#at = instantOf(entry.at);
    return [...before, ...this.#output(entry, body.value, from)];
  }

  /** The frame of a line that has not ended and is not waited for any longer. */
  flush(): readonly string[] {
    return this.#written(this.#lines.flush());
  }

  /** What is left when the task has ended, and a last line of the gateway's own. */
  end(lastLine?: string): readonly string[] {
    const rest = this.#written(this.#lines.end());
    if (lastLine === undefined) return rest;
    const { attempt, seq } = this.#last;
    return [...rest, this.#frame({ attempt, seq: seq + 1, offset: 0 }, { type: "print", data: lastLine })];
  }

  /** How many bytes of an entry were seen before, or that it was seen as a whole. */
  #seen({ attempt, seq, body }: Entry): number | "whole" {
    const after = this.#after;
    if (after === undefined) return 0;
    const order = attempt - after.attempt || seq - after.seq;
    if (order < 0) return "whole";
    this.#after = undefined;
    if (order > 0) return 0;
    return body.case === "output" ? after.offset : "whole";
  }

  #output(place: Entry, { data }: Output, from: number): readonly string[] {
    return this.#written(this.#lines.push(place, data, from));
  }

  #written(pieces: readonly Piece[]): readonly string[] {
    return pieces.map(({ text, end }) => this.#frame(end, { type: "print", data: text }));
  }

  #frame(place: Place, { type, data, ...more }: Said): string {
    this.#last = place;
    const timestamp = String(this.#at.getTime() * 1_000);
    return JSON.stringify({ type, data, task_id: this.#taskId, timestamp, id: frameId(place), ...more });
  }
}

function saidBy(body: Entry["body"]): Said | undefined {
  switch (body.case) {
    case "message":
      return { type: "print", data: structured(body.value.json) };
    case "prompt": {
      const { text, promptId, password } = body.value;
      return {
        type: "input_request",
        data: text,
        request_id: promptId,
        password: password ? "True" : "False",
      };
    }
    case "answer":
      return { type: "input_response", data: body.value.text, request_id: body.value.promptId };
    case "progress": {
      const { fraction, label } = body.value;
      return { type: "print", data: { type: "progress", content: { fraction, label } } };
    }
    case "artifact": {
      const { path, name } = body.value;
      return { type: "print", data: { type: "artifact", content: { path, name } } };
    }
    case "truncated":
      return { type: "print", data: `[output beyond ${body.value.limit} bytes is dropped]\n` };
    case "lost":
      return { type: "print", data: "[what came before this is lost]\n" };
    default:
      return undefined;
  }
}

/** An object or a list as it is; what else JSON may be, and what is none, as a line of text. */
function structured(json: Uint8Array): unknown {
  const text = Buffer.from(json).toString();
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value : `${text}\n`;
  } catch {
    return `${text}\n`;
  }
}
