import { parseEnv } from "node:util";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";
import { fileContent } from "./file-content.ts";

/** A name that a variable can have. What has another form may be a secret that was put in its place. */
const nameForm = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The variables that options give a program: `files` hold lines of `NAME=value`,
 * as Node reads `.env` files; `texts` are `NAME=VALUE`, or `NAME` for one of
 * `surroundings`. Of two with one name the later is taken, and all of `texts`
 * are later than `files`. Throws CommandFailure for what is none of these; it
 * says no value.
 */
export async function programEnv(
  { files, texts }: { readonly files: readonly string[]; readonly texts: readonly string[] },
  surroundings: NodeJS.ProcessEnv,
): Promise<Readonly<Record<string, string>>> {
  const entries: (readonly [name: string, value: string])[] = [];
  for (const file of files) entries.push(...(await entriesIn(file)));
  for (const [index, text] of texts.entries()) {
    const [name, value] = split(text);
    if (!nameForm.test(name)) throw wrong(`number ${index + 1} of --env is neither NAME=VALUE nor NAME`);
    const given = value ?? surroundings[name];
    if (given === undefined) throw wrong(`--env ${name}: there is no variable of this name here`);
    entries.push([name, given]);
  }
  return Object.fromEntries(entries);
}

async function entriesIn(file: string): Promise<[name: string, value: string][]> {
  const found = Object.entries(parseEnv((await fileContent(file)).toString()));
  if (found.some(([name]) => !nameForm.test(name))) throw wrong(`${file}: not all of it is NAME=value`);
  return found.map(([name, value = ""]) => [name, value]);
}

function split(text: string): [name: string, value?: string] {
  const at = text.indexOf("=");
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function wrong(message: string): CommandFailure {
  return new CommandFailure(message, { exitCode: exitCode.usage, reason: "USAGE" });
}
