import { HttpRefusal } from "../../http/http-refusal.ts";

const maxLength = 5_000;
const maxNames = 30;
const maxNameLength = 50;
const maxValueLength = 500;

const nameForm = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What a shell or a server would understand otherwise than as text. */
const refusedText = /[;&|`$(){}]|\.\.\/|\\x[0-9a-f]{2}|%[0-9a-f]{2}|https?:\/\/|ftp:\/\//i;

/** What would begin another line of a file, and its like. */
const refusedCharacter = /[^\P{Cc}\t]/u;

/** By these the loader, the shell, Python or a library is told to do something else than it was meant to. */
const protectedName =
  /^(PATH|IFS|ENV|BASH_ENV|SHELLOPTS|HOME|USER|LOGNAME|SHELL|PWD|LD_.*|DYLD_.*|PYTHON.*|ANTIPHON_.*|.*_PROXY|TMP.*|TEMP.*)$/i;

/**
 * What a task's environment is to hold besides the usual, as the Waldiez runner's
 * clients send it: a JSON object of names and values. Throws HttpRefusal 400 for
 * what is none, and for names and values that are not taken; its message holds no
 * value.
 */
export function readEnvVars(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {};
  if (text.length > maxLength) refuse(`env_vars is longer than ${maxLength} characters`);
  const pairs = Object.entries(objectIn(text));
  if (pairs.length > maxNames) refuse(`env_vars has more than ${maxNames} variables`);
  return Object.fromEntries(pairs.map(([name, value]) => [name, checkedValue(name, value)]));
}

function objectIn(text: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    refuse("env_vars is not JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    refuse("env_vars is not a JSON object");
  }
  return parsed;
}

function checkedValue(name: string, value: unknown): string {
  const shown = name.slice(0, maxNameLength);
  if (name.length > maxNameLength || !nameForm.test(name)) {
    refuse(`env_vars: ${JSON.stringify(shown)} is not a name of at most ${maxNameLength} characters`);
  }
  if (protectedName.test(name)) refuse(`env_vars: ${shown} is protected`);
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
    refuse(`env_vars: the value of ${shown} is not a text`);
  }
  const text = String(value);
  if (text.length > maxValueLength) {
    refuse(`env_vars: the value of ${shown} is longer than ${maxValueLength} characters`);
  }
  if (refusedText.test(text) || refusedCharacter.test(text))
    refuse(`env_vars: the value of ${shown} has characters that are not taken`);
  return text;
}

function refuse(message: string): never {
  throw new HttpRefusal(400, message, { reason: "FIELD_INVALID" });
}
