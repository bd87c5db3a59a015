import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { SendInputRequest, TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import {
  type Entry,
  EntrySchema,
  Output_Stream,
  type TaskNewsSchema,
} from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { Bell } from "../../lib/async/bell.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";

type Body = NonNullable<MessageInitShape<typeof EntrySchema>["body"]>;
type News = NonNullable<MessageInitShape<typeof TaskNewsSchema>["news"]>;

/** When the entries of every `FakeTaskIO` were recorded. */
export const recordedAt = new Date("2026-01-02T03:04:05.678Z");

/** What a program prints. */
export function printed(data: string | Uint8Array, stream: Output_Stream = Output_Stream.STDOUT): Body {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return { case: "output", value: { stream, data: bytes } };
}

/** One task's transcript as taskio serves it, written by a test. */
export class FakeTaskIO {
  readonly taskId: string;
  /** The answers that came, in order. */
  readonly answers: SendInputRequest[] = [];
  /** With what the next answers are refused. */
  readonly refusals: unknown[] = [];
  /** After which cursors watches were opened. */
  readonly opened: string[] = [];
  /** How many entries each watch was given. */
  readonly given: number[] = [];
  /** How many watches are open. */
  watching = 0;
  readonly #entries: Entry[] = [];
  /** Told of every change. */
  readonly #watchers = new Set<(fault?: { readonly error: unknown }) => void>();
  #end: TaskState | undefined;
  #nextFault: { readonly error: unknown } | undefined;

  constructor(taskId: string) {
    this.taskId = taskId;
  }

  /** Adds entries to the first attempt. */
  say(...bodies: readonly Body[]): void {
    for (const body of bodies) {
      const seq = this.#entries.length + 1;
      this.#entries.push(
        create(EntrySchema, { attempt: 1, seq, at: timestampFromMs(recordedAt.getTime()), body }),
      );
    }
    this.#tellAll();
  }

  /** Ends the task. */
  end(state: TaskState = TaskState.COMPLETED): void {
    this.#end = state;
    this.#tellAll();
  }

  /** Ends the open watches with an error. */
  interrupt(error: unknown): void {
    for (const tell of this.#watchers) tell({ error });
  }

  /** Ends the next watch with an error before it says anything. */
  interruptNext(error: unknown): void {
    this.#nextFault = { error };
  }

  /** What taskio's service does. */
  get service(): Partial<ServiceImpl<typeof TaskIOService>> {
    return {
      watch: (request, context) => this.#watch(request.tasks[0]?.after ?? "", context),
      sendInput: (request) => {
        const refusal = this.refusals.shift();
        if (refusal !== undefined) throw refusal;
        this.answers.push(request);
        return {};
      },
    };
  }

  async *#watch(after: string, { signal }: HandlerContext) {
    const watch = this.opened.push(after) - 1;
    this.given.push(0);
    this.watching += 1;
    const bell = new Bell();
    let fault: { readonly error: unknown } | undefined;
    const first = this.#nextFault;
    this.#nextFault = undefined;
    const tell = (told?: { readonly error: unknown }): void => {
      fault ??= told;
      bell.ring();
    };
    this.#watchers.add(tell);
    const told = (news: News) => ({ news: { taskId: this.taskId, news } });
    try {
      if (first !== undefined) throw toConnectError(first.error);
      yield told({ case: "snapshot", value: { state: TaskState.RUNNING, attempt: 1 } });
      let next = after === "" ? 0 : Number(after.split("-")[1]);
      for (;;) {
        if (fault !== undefined) throw toConnectError(fault.error);
        const entry = this.#entries[next];
        if (entry !== undefined) {
          next += 1;
          this.given[watch] = (this.given[watch] ?? 0) + 1;
          yield told({ case: "entry", value: entry });
          continue;
        }
        if (this.#end !== undefined) {
          yield told({ case: "end", value: { state: this.#end } });
          return;
        }
        await bell.heard(signal);
        signal.throwIfAborted();
      }
    } finally {
      this.#watchers.delete(tell);
      this.watching -= 1;
    }
  }

  #tellAll(): void {
    for (const tell of this.#watchers) tell();
  }
}

/** The refusal of an answer that came too late. */
export function promptClosed(): unknown {
  return toConnectError(new DomainError("PROMPT_CLOSED", "the prompt p1 is closed"));
}
