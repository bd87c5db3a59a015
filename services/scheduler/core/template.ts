/*
 * Templates: strings in a node's config that are replaced when the node starts.
 *
 *   {{ A.data.items[0] }}        a value of A's output
 *   {{ input.x }}  {{ run.id }}  the run's input, the run itself
 *   {{ nodes.A.status }}         how A ended; `nodes.A.error` says why it failed
 *   {{ A.x | default("y") }}     another value where there is none
 *   {{ "{{" }}                   a literal text
 *
 * A string that is one template gives the value with its type. An embedded one
 * gives text: strings as they are, everything else as JSON; percent-encoded when
 * the string is a URL. Only own properties are seen, and nothing is evaluated.
 * What stands in place of all templates of a config is bounded: a few bytes of
 * template may name a large output many times.
 */
import type { Json } from "./json.ts";

/** How much may stand in place of the templates of one config, in characters of JSON. */
const maxReplacedLength = 1024 * 1024;

/** How much may stand in place of one template of a URL, in characters before they are encoded. */
const maxUrlPartLength = 8 * 1024;

/** What stands between the braces of one template, taken apart. */
interface Expression {
  /** As written, for messages. */
  readonly text: string;
  /** The first name, then keys and indexes; for a literal, empty. */
  readonly path: readonly (string | number)[];
  readonly literal: string | undefined;
  readonly fallback: Json | undefined;
}

/** A config value with its templates taken apart. */
export type Compiled =
  /** Holds no template anywhere. */
  | { readonly kind: "constant"; readonly value: Json }
  | { readonly kind: "value"; readonly expression: Expression }
  | { readonly kind: "text"; readonly parts: readonly (string | Expression)[]; readonly isUrl: boolean }
  | { readonly kind: "list"; readonly items: readonly Compiled[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, Compiled])[] };

/** One use of a value in a template: where it stands in the config, and what it names. */
export interface Reference {
  /** Path of the string within the config: `.prompt`, `.items[2]`. */
  readonly at: string;
  readonly template: string;
  /** The first name and, after `nodes`, the second. */
  readonly root: string;
  readonly node: string | undefined;
}

/** Something wrong with a template. */
export interface TemplateFault {
  readonly at: string;
  readonly template: string;
  readonly message: string;
}

/** Takes a config value apart. Faults and references are added to the lists given. */
export function compile(
  value: Json,
  found: { readonly references: Reference[]; readonly faults: TemplateFault[] },
  at = "",
): Compiled {
  if (typeof value === "string") return compileString(value, found, at);
  if (typeof value !== "object" || value === null) return { kind: "constant", value };
  if (isList(value)) {
    const items = value.map((item, index) => compile(item, found, `${at}[${index}]`));
    return items.every((item) => item.kind === "constant")
      ? { kind: "constant", value }
      : { kind: "list", items };
  }
  const entries = Object.entries(value).map(
    ([key, child]) => [key, compile(child, found, `${at}.${key}`)] as const,
  );
  return entries.every(([, child]) => child.kind === "constant")
    ? { kind: "constant", value }
    : { kind: "object", entries };
}

/** Looks a name up: the value of `A`, `input`, `run`, or of one of the `nodes`; undefined when there is none. */
export type Scope = (name: string, node: string) => Json | undefined;

/** A value with its templates replaced, or what is wrong with one of them. */
export type Resolved = { readonly value: Json } | { readonly fault: string };

/** Puts values in place of templates. */
export function resolve(compiled: Compiled, scope: Scope): Resolved {
  return replaced(compiled, new Values(scope));
}

/** The values of the templates of one config. */
class Values {
  readonly #scope: Scope;
  #room = maxReplacedLength;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  of(expression: Expression): Resolved {
    const found = lookUp(expression, this.#scope);
    if (found === undefined) return { fault: `${expression.text} has no value` };
    this.#room -= lengthOf(found);
    if (this.#room >= 0) return { value: found };
    const fault = `with ${expression.text} the config is larger than ${maxReplacedLength} characters`;
    return { fault };
  }
}

/*
 * Ten thousand nodes may name one large output: its text is made once, is one text
 * in the memory for all of them, and goes with the output.
 */
const lengths = new WeakMap<object, number>();
const texts = new WeakMap<object, string>();

/** How long a value is as text. */
function lengthOf(value: Json): number {
  if (typeof value !== "object" || value === null) return shownText(value).length;
  const length = lengths.get(value) ?? JSON.stringify(value).length;
  lengths.set(value, length);
  return length;
}

/** A value as it stands within a text. */
function shownText(value: Json): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const text = texts.get(value) ?? JSON.stringify(value);
  texts.set(value, text);
  return text;
}

function replaced(compiled: Compiled, values: Values): Resolved {
  switch (compiled.kind) {
    case "constant":
      return compiled;
    case "value":
      return values.of(compiled.expression);
    case "text": {
      let text = "";
      for (const part of compiled.parts) {
        if (typeof part === "string") {
          text += part;
          continue;
        }
        const found = values.of(part);
        if ("fault" in found) return found;
        const shown = shownText(found.value);
        if (compiled.isUrl && shown.length > maxUrlPartLength) {
          return { fault: `${part.text} is longer than ${maxUrlPartLength} characters, too long for a URL` };
        }
        text += compiled.isUrl ? encodeURIComponent(shown.toWellFormed()) : shown;
      }
      return { value: text };
    }
    case "list": {
      const items: Json[] = [];
      for (const item of compiled.items) {
        const found = replaced(item, values);
        if ("fault" in found) return found;
        items.push(found.value);
      }
      return { value: items };
    }
    case "object": {
      const entries: [string, Json][] = [];
      for (const [key, child] of compiled.entries) {
        const found = replaced(child, values);
        if ("fault" in found) return found;
        entries.push([key, found.value]);
      }
      return { value: Object.fromEntries(entries) };
    }
  }
}

const url = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;

function compileString(
  text: string,
  found: { readonly references: Reference[]; readonly faults: TemplateFault[] },
  at: string,
): Compiled {
  if (!text.includes("{{")) return { kind: "constant", value: text };
  const parts: (string | Expression)[] = [];
  let end = 0;
  // Searched once from left to right: a text may be megabytes of braces that nothing closes.
  for (let begin = text.indexOf("{{"); begin >= 0; begin = text.indexOf("{{", end)) {
    const close = text.indexOf("}}", begin + 2);
    if (close < 0) break;
    if (begin > end) parts.push(text.slice(end, begin));
    end = close + 2;
    const template = text.slice(begin, end);
    const expression = parse(template, text.slice(begin + 2, close));
    if ("message" in expression) {
      found.faults.push({ at, template, message: expression.message });
      continue;
    }
    const [root, second] = expression.path;
    if (typeof root === "string") {
      const node = root === "nodes" ? String(second ?? "") : undefined;
      found.references.push({ at, template, root, node });
    }
    parts.push(expression);
  }
  const rest = text.slice(end);
  if (rest.includes("{{")) found.faults.push({ at, template: rest.slice(0, 80), message: "is not closed" });
  if (rest !== "") parts.push(rest);
  const [only] = parts;
  if (parts.length === 1 && typeof only === "object") return { kind: "value", expression: only };
  return { kind: "text", parts, isUrl: url.test(text) };
}

const step = /\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]/y;
const name = /[A-Za-z_][A-Za-z0-9_-]*/y;
const fallback = /^\|\s*default\((.*)\)$/s;

function parse(text: string, inner: string): Expression | { readonly message: string } {
  const source = inner.trim();
  if (source.startsWith('"')) {
    const literal = jsonOf(source);
    return typeof literal?.value === "string"
      ? { text, path: [], literal: literal.value, fallback: undefined }
      : { message: "is not a text in double quotes" };
  }
  name.lastIndex = 0;
  const root = name.exec(source)?.[0];
  if (root === undefined) return { message: "does not begin with a name" };
  const path: (string | number)[] = [root];
  let end = root.length;
  for (;;) {
    step.lastIndex = end;
    const match = step.exec(source);
    if (match === null) break;
    end += match[0].length;
    if (match[1] !== undefined) path.push(match[1]);
    else if (match[2] !== undefined) path.push(Number(match[2]));
    else path.push(textOf(match[3] ?? '""'));
  }
  const rest = source.slice(end).trim();
  if (rest === "") return { text, path, literal: undefined, fallback: undefined };
  const given = fallback.exec(rest)?.[1];
  if (given === undefined)
    return { message: `has "${rest.slice(0, 40)}" where a path or default(…) may stand` };
  const value = jsonOf(given);
  return value === undefined
    ? { message: "has a default that is not JSON" }
    : { text, path, literal: undefined, fallback: value.value };
}

function lookUp({ path, literal, fallback }: Expression, scope: Scope): Json | undefined {
  if (literal !== undefined) return literal;
  const [root, ...steps] = path;
  let value = root === "nodes" ? scope("nodes", String(steps.shift())) : scope(String(root), "");
  for (const key of steps) value = valueAt(value, key);
  return value ?? (fallback === undefined ? value : fallback);
}

/** A member of a list by its index, or an own member of an object by its name. */
function valueAt(value: Json | undefined, key: string | number): Json | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (isList(value)) return typeof key === "number" ? value[key] : undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function textOf(literal: string): string {
  const value = jsonOf(literal)?.value;
  return typeof value === "string" ? value : "";
}

function jsonOf(text: string): { readonly value: Json } | undefined {
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return undefined;
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
