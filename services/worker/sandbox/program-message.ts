import { z } from "zod";

/** A JSON value whose shape is the program's affair: at most `deepestValue` levels, and without the key `__proto__`. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * What a program says over ANTIPHON_SOCKET, one JSON object per line.
 *
 *   {"type":"message","message":<any JSON>}
 *   {"type":"input_request","prompt_id":"…","prompt":"…","password":false}
 *   {"type":"progress","fraction":0.5,"label":"…"}
 *   {"type":"artifact","path":"relative to the output folder","name":"…"}
 *   {"type":"result","value":<any JSON>}
 *
 * These are claims of a stranger: checked in form and size, not in truth.
 */
export type ProgramMessage =
  | { readonly type: "message"; readonly message: JsonValue }
  | {
      readonly type: "input_request";
      readonly promptId: string;
      readonly prompt: string;
      readonly password: boolean;
    }
  | { readonly type: "progress"; readonly fraction: number; readonly label: string }
  | { readonly type: "artifact"; readonly path: string; readonly name: string }
  | { readonly type: "result"; readonly value: JsonValue };

/** What every connection is told first. */
export interface StartMessage {
  readonly runId: string;
  readonly taskId: string;
  /** Numbered from 1. */
  readonly attempt: number;
  readonly input: JsonValue;
  /** What a flow is first told in place of its own first message. */
  readonly message?: string;
}

/** What the worker says to the program. An absent `value` means that the prompt closed without an answer. */
export type WorkerMessage =
  | { readonly type: "input"; readonly promptId: string; readonly value?: string }
  | { readonly type: "cancel" };

/** The longest line of a `result`, in bytes. */
export const longestResultLine = 1024 * 1024;

/** The longest line of anything else: what one transcript entry holds. */
export const longestLine = 64 * 1024;

const deepestValue = 64;

/** A string that every encoder takes: lone surrogates become U+FFFD. */
const text = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .transform((value) => value.toWellFormed());

const promptId = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\x21-\x7e]+$/);

/** A path that stays below the folder it is relative to. */
const relativePath = text(1024).refine(
  (path) =>
    path !== "" &&
    !path.includes("\0") &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
);

/** The walk in `isAcceptable` vouches for the value, so that zod need not copy it. */
const anyJson = z.custom<JsonValue>((value) => value !== undefined);

const programMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message"), message: anyJson }),
  z
    .object({
      type: z.literal("input_request"),
      prompt_id: promptId,
      prompt: text(32 * 1024).default(""),
      password: z.boolean().default(false),
    })
    .transform(({ prompt_id, ...rest }) => ({ ...rest, promptId: prompt_id })),
  z.object({
    type: z.literal("progress"),
    fraction: z.number().min(0).max(1),
    label: text(1024).default(""),
  }),
  z
    .object({ type: z.literal("artifact"), path: relativePath, name: text(255).optional() })
    .transform(({ type, path, name }) => ({ type, path, name: name ?? path })),
  z.object({ type: z.literal("result"), value: anyJson }),
]);

/** Reads one line of a program; undefined when it is not a message within the bounds. */
export function parseProgramMessage(line: Buffer): ProgramMessage | undefined {
  if (line.length > longestResultLine) return undefined;
  const value = parseJson(line);
  if (value === undefined || !isAcceptable(value)) return undefined;
  const parsed = programMessage.safeParse(value);
  if (!parsed.success) return undefined;
  if (line.length > longestLine && parsed.data.type !== "result") return undefined;
  return parsed.data;
}

/** The line, with its newline, that says `message` to a program. */
export function workerMessageLine(
  message: WorkerMessage | ({ readonly type: "start" } & StartMessage),
): string {
  return `${JSON.stringify(wireForm(message))}\n`;
}

function wireForm(message: WorkerMessage | ({ readonly type: "start" } & StartMessage)): object {
  if (message.type === "cancel") return { type: "cancel" };
  if (message.type === "input") {
    const { promptId, value } = message;
    return { type: "input", prompt_id: promptId, value: value ?? null, closed: value === undefined };
  }
  const { type, runId, taskId, attempt, input, message: first } = message;
  return {
    type,
    run_id: runId,
    task_id: taskId,
    attempt,
    input,
    ...(first !== undefined && { message: first }),
  };
}

function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Walks without recursion, so that no depth can exhaust the stack here or in whoever reads the value later. */
function isAcceptable(root: unknown): boolean {
  const open: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth >= deepestValue || Object.hasOwn(value, "__proto__")) return false;
    for (const inner of Object.values(value)) open.push({ value: inner, depth: depth + 1 });
  }
  return true;
}
