/*
 * Handlers that need no worker: the owner of the run conducts their tasks.
 *
 *   sleep             {"duration": "10m"} or {"until": "2026-01-31T09:00:00Z"}
 *   approval          {"prompt": "Deploy?", "choices": ["blue", "green"], "fail_on_reject": true}
 *   wait_for_signal   {"signal": "paid"}
 *   workflow          {"workflow_name": "billing", "input": {…}}, or "workflow_id"
 */
import type { JsonObject } from "./json.ts";

/** The names of these handlers. */
export const engineHandlers = ["sleep", "approval", "wait_for_signal", "workflow"] as const;

/** One of these handlers. */
export type EngineHandler = (typeof engineHandlers)[number];

/** Whether tasks of a handler need no worker. */
export function isEngineHandler(handler: string): handler is EngineHandler {
  return (engineHandlers as readonly string[]).includes(handler);
}

/** The longest sleep: 365 days. */
const maxSleepMs = 365 * 24 * 60 * 60 * 1_000;
const maxPromptLength = 16 * 1024;
const maxChoices = 100;
const maxChoiceLength = 200;

/** The form of a signal's name. */
export const signalNameForm = /^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/;

/** What is wrong with a config: which key, and why. */
export interface ConfigFault {
  readonly at: string;
  readonly message: string;
}

type Read<Value> = { readonly value: Value } | { readonly fault: ConfigFault };

/** How long a node sleeps. */
export type Sleep = { readonly durationMs: number } | { readonly until: Date };

export function sleepOf(config: JsonObject): Read<Sleep> {
  const unknown = unknownKey(config, ["duration", "until"]);
  if (unknown !== undefined) return { fault: unknown };
  const { duration, until } = config;
  if ((duration === undefined) === (until === undefined)) {
    return { fault: { at: ".duration", message: "give either duration or until" } };
  }
  if (until !== undefined) {
    const time = typeof until === "string" ? timeOf(until) : Number.NaN;
    return Number.isNaN(time)
      ? { fault: { at: ".until", message: "is not a time such as 2026-01-31T09:00:00Z" } }
      : { value: { until: new Date(time) } };
  }
  const durationMs = durationMsOf(duration);
  if (durationMs !== undefined && durationMs <= maxSleepMs) return { value: { durationMs } };
  const message = 'is neither a time such as "90s", "10m" or "2h" nor a number of seconds, up to 365 days';
  return { fault: { at: ".duration", message } };
}

/** When a sleep that begins at `from` ends. */
export function wakesAt(sleep: Sleep, from: Date): Date {
  if ("durationMs" in sleep) return new Date(from.getTime() + sleep.durationMs);
  return sleep.until > from ? sleep.until : from;
}

/** What an approval asks, and what may be answered. */
export interface Approval {
  readonly prompt: string;
  /** Empty: yes or no. */
  readonly choices: readonly string[];
  readonly failOnReject: boolean;
}

export function approvalOf(config: JsonObject): Read<Approval> {
  const unknown = unknownKey(config, ["prompt", "choices", "fail_on_reject"]);
  if (unknown !== undefined) return { fault: unknown };
  const { prompt = "Approve?", choices = [], fail_on_reject: failOnReject = false } = config;
  if (typeof prompt !== "string" || prompt.length > maxPromptLength) {
    return { fault: { at: ".prompt", message: `is not a text of at most ${maxPromptLength} characters` } };
  }
  if (
    !isTexts(choices) ||
    choices.length > maxChoices ||
    choices.some((text) => text.trim() === "" || text.length > maxChoiceLength)
  ) {
    return { fault: { at: ".choices", message: `is not a list of at most ${maxChoices} short texts` } };
  }
  if (typeof failOnReject !== "boolean") {
    return { fault: { at: ".fail_on_reject", message: "is neither true nor false" } };
  }
  return { value: { prompt, choices, failOnReject } };
}

/** What may be answered to an approval, as it is offered. */
export function answersOf({ choices }: Approval): readonly string[] {
  return choices.length > 0 ? choices.map((text) => text.trim()) : ["yes", "no"];
}

const approving = new Set(["y", "yes", "true", "ok", "approve", "approved"]);
const rejecting = new Set(["n", "no", "false", "reject", "rejected", "deny", "denied"]);

/** What an answer to an approval means; undefined when it is none that may be given. */
export function verdictOf(
  { choices }: Approval,
  answer: string,
): { readonly approved: boolean; readonly choice?: string } | undefined {
  const said = answer.trim();
  if (choices.length > 0) {
    const choice = choices.find((text) => text.trim() === said);
    return choice === undefined ? undefined : { approved: true, choice };
  }
  const word = said.toLowerCase();
  if (approving.has(word)) return { approved: true };
  return rejecting.has(word) ? { approved: false } : undefined;
}

/** The name of the signal that a node waits for. */
export function signalOf(config: JsonObject): Read<string> {
  const unknown = unknownKey(config, ["signal"]);
  if (unknown !== undefined) return { fault: unknown };
  const { signal } = config;
  return typeof signal === "string" && signalNameForm.test(signal)
    ? { value: signal }
    : { fault: { at: ".signal", message: "is not of the form [A-Za-z_][A-Za-z0-9_.-]{0,62}" } };
}

/** Which workflow a node starts, and with what. */
export interface ChildStart {
  /** One of both is given. */
  readonly workflowId: string | undefined;
  readonly workflowName: string | undefined;
  readonly input: JsonObject[string] | undefined;
}

export function childStartOf(config: JsonObject): Read<ChildStart> {
  const unknown = unknownKey(config, ["workflow_id", "workflow_name", "input"]);
  if (unknown !== undefined) return { fault: unknown };
  const { workflow_id: workflowId, workflow_name: workflowName, input } = config;
  if ((workflowId === undefined) === (workflowName === undefined)) {
    return { fault: { at: ".workflow_id", message: "give either workflow_id or workflow_name" } };
  }
  if (workflowId !== undefined && typeof workflowId !== "string") {
    return { fault: { at: ".workflow_id", message: "is not a text" } };
  }
  if (workflowName !== undefined && typeof workflowName !== "string") {
    return { fault: { at: ".workflow_name", message: "is not a text" } };
  }
  return { value: { workflowId, workflowName, input } };
}

/** What is wrong with the config of a node that needs no worker. */
export function engineConfigFault(handler: EngineHandler, config: JsonObject): ConfigFault | undefined {
  const read = { sleep: sleepOf, approval: approvalOf, wait_for_signal: signalOf, workflow: childStartOf }[
    handler
  ](config);
  return "fault" in read ? read.fault : undefined;
}

const instantForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970; NaN for a text that is no time, or names a day that its month does not have. */
function timeOf(text: string): number {
  const day = text.slice(0, 10);
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (!instantForm.test(text) || Number.isNaN(midnight)) return Number.NaN;
  return new Date(midnight).toISOString().startsWith(day) ? Date.parse(text) : Number.NaN;
}

const durationForm = /^(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)$/;
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of "1.5s", "10m", "2h", "1d", or of a number of seconds; undefined when it is neither. */
function durationMsOf(value: JsonObject[string] | undefined): number | undefined {
  if (typeof value === "number") return value >= 0 ? Math.round(value * 1_000) : undefined;
  const [, number, unit = ""] = (typeof value === "string" ? durationForm.exec(value) : null) ?? [];
  return number === undefined ? undefined : Math.round(Number(number) * (unitMs[unit] ?? 0));
}

function unknownKey(config: JsonObject, known: readonly string[]): ConfigFault | undefined {
  const key = Object.keys(config).find((one) => !known.includes(one));
  return key === undefined ? undefined : { at: `.${key}`, message: `is none of ${known.join(", ")}` };
}

function isTexts(value: JsonObject[string]): value is readonly string[] {
  return Array.isArray(value) && value.every((item: JsonObject[string]) => typeof item === "string");
}
