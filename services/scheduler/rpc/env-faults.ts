import type { FieldFault } from "../../../lib/errors/domain-error.ts";

const maxNames = 100;
const maxBytes = 64 * 1024;
const nameForm = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** How much of a name is repeated to its caller. */
const maxShownLength = 100;

/** Names that are ours, or by which the loader, a shell, Python or the C library is told what to run or to read. */
const protectedNames =
  /^(ANTIPHON_|LD_|PYTHON|BASH_|PATH$|HOME$|SHELL$|IFS$|ENV$|SHELLOPTS$|BASHOPTS$|PS4$|PROMPT_COMMAND$|GLIBC_TUNABLES$|GCONV_PATH$|LOCPATH$|NLSPATH$)/;

/** Everything that is wrong with the environment of a program; paths begin at `program`. No value is repeated. */
export function envFaults(env: Readonly<Record<string, string>>): FieldFault[] {
  const entries = Object.entries(env);
  if (entries.length > maxNames) return [invalid("program.env", `has more than ${maxNames} names`)];
  const faults = entries.flatMap(([name, value]) => {
    const message = faultOf(name, value);
    return message === undefined ? [] : [invalid(`program.env[${shown(name)}]`, message)];
  });
  const bytes = entries.reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes > maxBytes) faults.push(invalid("program.env", `takes more than ${maxBytes} bytes`));
  return faults;
}

function faultOf(name: string, value: string): string | undefined {
  if (!nameForm.test(name)) return `is not a name of the form ${nameForm.source}`;
  if (protectedNames.test(name)) return "is a name that is not for programs to be given";
  return value.includes("\0") ? "has a zero character" : undefined;
}

function shown(name: string): string {
  return JSON.stringify(name.length <= maxShownLength ? name : `${name.slice(0, maxShownLength)}…`);
}

function invalid(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}
