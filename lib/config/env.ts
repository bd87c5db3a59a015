import { readFileSync } from "node:fs";
import { z } from "zod";

/** The configuration can not be used. The message names every fault, a line each, and no value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(["the configuration can not be used:", ...faults].join("\n  "));
    this.faults = faults;
  }
}

/** Reads a secret anew, so that one that was replaced in its file is taken up. Throws a ConfigError when the file is gone or empty. */
export type Secret = () => string;

/**
 * Reads what a service needs from an environment: an object with a schema per
 * variable. An empty variable counts as unset, as compose files produce them.
 *
 * Where `NAME` is unset and `NAME_FILE` is set, a `secret` comes from that file.
 *
 * Throws a ConfigError that names all faults at once.
 */
export function readEnv<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Readonly<Record<string, string | undefined>>,
): z.output<z.ZodObject<Shape>> {
  const names = Object.keys(shape);
  const found = names.map((name) => [name, valueOf(name, env)] as const);
  const read = z.object(shape).safeParse(Object.fromEntries(found));
  if (read.success) return read.data;
  throw new ConfigError(read.error.issues.map((issue) => faultOf(issue, new Map(found))));
}

/** Reads an environment with several readers. Throws a ConfigError with the faults that all of them found, each once. */
export function readEach<Read extends Readonly<Record<string, unknown>>>(
  readers: { readonly [Name in keyof Read]: (env: NodeJS.ProcessEnv) => Read[Name] },
  env: NodeJS.ProcessEnv,
): Read {
  const faults = new Set<string>();
  const read = Object.entries(readers).map(([name, reader]) => {
    try {
      return [name, reader(env)];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const fault of error.faults) faults.add(fault);
      return [name, undefined];
    }
  });
  if (faults.size > 0) throw new ConfigError([...faults]);
  return Object.fromEntries(read) as Read;
}

/** A secret, from the variable or from the file that `NAME_FILE` names. */
export const secret = z
  .custom<string | SecretFile>((value) => typeof value === "string" || value instanceof SecretFile)
  .transform((source, context): Secret => {
    if (typeof source === "string") return () => source;
    const { fault } = source.attempt();
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    return () => source.read();
  });

/** A time in milliseconds. */
export const milliseconds = z.coerce.number().int().min(0);

/** A TCP port; 0 is any that is free. */
export const port = z.coerce.number().int().min(0).max(65_535);

class SecretFile {
  readonly #name: string;
  readonly #path: string;

  constructor(name: string, path: string) {
    this.#name = name;
    this.#path = path;
  }

  read(): string {
    const { text, fault } = this.attempt();
    if (fault !== undefined) throw new ConfigError([`${this.#name}: ${fault}`]);
    return text;
  }

  attempt():
    | { readonly text: string; readonly fault?: undefined }
    | { readonly fault: string; readonly text?: undefined } {
    try {
      const text = readFileSync(this.#path, "utf8").trim();
      return text === "" ? { fault: `the file that ${this.#name}_FILE names is empty` } : { text };
    } catch (error) {
      return {
        fault: `the file that ${this.#name}_FILE names can not be read (${(error as NodeJS.ErrnoException).code})`,
      };
    }
  }
}

function valueOf(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): string | SecretFile | undefined {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  const path = env[`${name}_FILE`];
  return path === undefined || path === "" ? undefined : new SecretFile(name, path);
}

function faultOf(issue: z.core.$ZodIssue, found: ReadonlyMap<string, unknown>): string {
  const [first, ...within] = issue.path;
  const name = String(first ?? "");
  if (name !== "" && found.get(name) === undefined) return `${name}: is required`;
  if (found.get(name) instanceof SecretFile && issue.code !== "custom")
    return `${name}: can not come from a file`;
  const where = within.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`));
  return `${name}${where.join("")}: ${wordingOf(issue)}`;
}

/** Puts in plain words what zod says of a text that became no number: `received NaN`. */
function wordingOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== "invalid_type") return issue.message;
  if (issue.expected === "number") return "is no number";
  return issue.expected === "int" ? "is no whole number" : issue.message;
}
