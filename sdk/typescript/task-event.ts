import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Failure, TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { type Entry, Output_Stream as Stream } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";

/** Which way the program wrote: `system` is what Antiphon itself says, such as the building of an environment. */
export type OutputStream = "stdout" | "stderr" | "system";

/** Where an entry of a transcript stands: after it a watch can be taken up again. */
interface Numbered {
  /** `2-17`: attempt and number. */
  readonly cursor: string;
  /** When the worker recorded it, by the worker's clock. */
  readonly at: Date;
}

/** An entry of a task's transcript: each comes once and in order. */
export type TranscriptEvent = Numbered &
  (
    | {
        readonly kind: "output";
        readonly stream: OutputStream;
        /** Exact; a chunk and not a line. */
        readonly data: Uint8Array;
      }
    | {
        readonly kind: "message";
        /** What the program sent, parsed; undefined when it is no JSON. */
        readonly value: unknown;
      }
    | {
        readonly kind: "progress";
        /** From 0 to 1. */
        readonly fraction: number;
        readonly label: string;
      }
    | { readonly kind: "artifact"; readonly path: string; readonly name: string }
    | {
        readonly kind: "asked";
        readonly promptId: string;
        readonly text: string;
        readonly password: boolean;
        /** What may be answered; any text when empty. */
        readonly choices: readonly string[];
      }
    | {
        readonly kind: "answered";
        readonly promptId: string;
        /** Empty when secret. */
        readonly text: string;
        readonly password: boolean;
        /** The client that answered; empty when nobody did in time, so that the program got an empty answer. */
        readonly by: string;
      }
    | { readonly kind: "truncated"; readonly limitBytes: number }
    | {
        readonly kind: "lost";
        /** How many entries can not be recovered. */
        readonly count: number;
      }
  );

/** A question that waits for an answer. Comes once for each question, and again only when the answer got lost. */
export interface PromptEvent {
  readonly kind: "prompt";
  readonly promptId: string;
  /** May be empty. */
  readonly text: string;
  /** Whether the answer is secret. */
  readonly password: boolean;
  /** What may be answered; any text when empty. */
  readonly choices: readonly string[];
  /** Answers it. Resolves when the answer is stored, across broken connections; rejects with an `AnswerRefused`. */
  readonly reply: (answer: string) => Promise<void>;
}

/** What happens around a task while it is watched. */
export type TaskEvent =
  | TranscriptEvent
  | PromptEvent
  | {
      readonly kind: "prompt_closed";
      readonly promptId: string;
      /** Whether somebody answered; else its time was over, the attempt that asked has ended, or it is not known. */
      readonly answered: boolean;
      /** Whether nobody answered in time, so that the program got an empty answer. */
      readonly timedOut: boolean;
      /** The client that answered; empty when none did, or when it is not known. */
      readonly answeredBy: string;
    }
  | { readonly kind: "state"; readonly state: TaskState; readonly attempt: number }
  | {
      readonly kind: "reconnecting";
      /** Why the connection broke. */
      readonly error: unknown;
    }
  | { readonly kind: "reconnected" }
  | { readonly kind: "end"; readonly state: TaskState; readonly failure: Failure | undefined };

/** The cursor of an entry. */
export function cursorOf({ attempt, seq }: Pick<Entry, "attempt" | "seq">): string {
  return `${attempt}-${seq}`;
}

/** An entry as an event; undefined for a kind that this version does not know. */
export function transcriptEvent(entry: Entry): TranscriptEvent | undefined {
  const { body } = entry;
  const numbered = {
    cursor: cursorOf(entry),
    at: entry.at === undefined ? new Date(0) : timestampDate(entry.at),
  };
  switch (body.case) {
    case "output":
      return {
        ...numbered,
        kind: "output",
        stream: streamNames[body.value.stream] ?? "system",
        data: body.value.data,
      };
    case "message":
      return { ...numbered, kind: "message", value: parsed(body.value.json) };
    case "progress":
      return { ...numbered, kind: "progress", fraction: body.value.fraction, label: body.value.label };
    case "artifact":
      return { ...numbered, kind: "artifact", path: body.value.path, name: body.value.name };
    case "prompt": {
      const { promptId, text, password, choices } = body.value;
      return { ...numbered, kind: "asked", promptId, text, password, choices };
    }
    case "answer": {
      const { promptId, text, password, answeredBy } = body.value;
      return { ...numbered, kind: "answered", promptId, text, password, by: answeredBy };
    }
    case "truncated":
      return { ...numbered, kind: "truncated", limitBytes: Number(body.value.limit) };
    case "lost":
      return { ...numbered, kind: "lost", count: entry.seq - body.value.firstSeq + 1 };
    default:
      return undefined;
  }
}

const streamNames: Readonly<Record<number, OutputStream>> = {
  [Stream.STDOUT]: "stdout",
  [Stream.STDERR]: "stderr",
  [Stream.SYSTEM]: "system",
};

function parsed(json: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(json));
  } catch {
    return undefined;
  }
}
