/**
 * The JSON Schema of a workflow's input: draft 2020-12, or draft-07 where `$schema` says so.
 *
 * Schemas and inputs come from strangers and are checked where everything else waits, so: `$ref` leads only within the
 * document, `pattern` is matched in linear time, and a check takes a bounded number of steps. `format`, like every
 * keyword that the drafts do not define, says nothing about what is valid; `default` is not filled in.
 */
import { applicators } from "./input-schema-applicators.ts";
import { assertions } from "./input-schema-assertions.ts";
import { Checking, type Place, pathOf, type SchemaFault, type SchemaNode } from "./input-schema-check.ts";
import { isDeeperThan, isJsonObject, type Json, type JsonObject, maxJsonDepth } from "./json.ts";

/** How long a schema may be, in characters of JSON. */
const maxLength = 64 * 1024;

/** A schema that inputs can be checked against. */
export interface InputSchema {
  /** What is wrong with an input: at most 20 faults, none when it is valid. `at` is a path below the input. */
  readonly check: (input: Json) => readonly SchemaFault[];
}

/** Compiles a schema of at most 64 KiB of JSON, or names all that is wrong with it; `at` is a path within the schema. */
export function compileInputSchema(schema: Json): InputSchema | { readonly faults: readonly SchemaFault[] } {
  if (isDeeperThan(schema, maxJsonDepth)) {
    return { faults: [{ at: "", message: `is nested deeper than ${maxJsonDepth} levels` }] };
  }
  if (JSON.stringify(schema).length > maxLength) {
    return { faults: [{ at: "", message: `is longer than ${maxLength} characters` }] };
  }
  const draft = draftOf(schema);
  if (draft === undefined) {
    return { faults: [{ at: ".$schema", message: "is neither draft 2020-12 nor draft-07" }] };
  }
  const compiler = new Compiler(schema, draft);
  const node = compiler.compile();
  if (compiler.faults.length > 0) return { faults: compiler.faults };
  return { check: (input) => new Checking(compiler.tracks).run(node, input) };
}

type Draft = keyof typeof applicators;

const drafts: Readonly<Record<string, Draft>> = {
  "https://json-schema.org/draft/2020-12/schema": "2020-12",
  "http://json-schema.org/draft-07/schema": "draft-07",
  "https://json-schema.org/draft-07/schema": "draft-07",
};

function draftOf(schema: Json): Draft | undefined {
  const named = isJsonObject(schema) ? schema["$schema"] : undefined;
  if (named === undefined) return "2020-12";
  return typeof named === "string" && Object.hasOwn(drafts, named.replace(/#$/, ""))
    ? drafts[named.replace(/#$/, "")]
    : undefined;
}

type Steps = readonly (string | number)[];

/** A `$ref`, and the schema it leads to once that is compiled. */
interface Reference {
  readonly to: string;
  readonly at: Steps;
  target: SchemaNode | undefined;
}

/** Compiles one document: every schema in it once, however many references lead there. */
class Compiler {
  readonly faults: SchemaFault[] = [];
  /** Whether any schema asks for what is unevaluated. */
  tracks = false;
  readonly #document: Json;
  readonly #draft: Draft;
  /** Compiled schemas by their JSON pointer. */
  readonly #nodes = new Map<string, SchemaNode>();
  readonly #anchors = new Map<string, SchemaNode>();
  readonly #references: Reference[] = [];

  constructor(document: Json, draft: Draft) {
    this.#document = document;
    this.#draft = draft;
  }

  compile(): SchemaNode {
    const root = this.#node(this.#document, []);
    // A reference may lead to where no schema was looked for, and what is there may hold further references.
    for (let reference = this.#references.shift(); reference; reference = this.#references.shift()) {
      reference.target = this.#target(reference.to, reference.at);
    }
    return root;
  }

  #fault(at: Steps, message: string): void {
    this.faults.push({ at: pathOf(placeOf(at)), message });
  }

  #node(schema: Json, at: Steps): SchemaNode {
    const node: SchemaNode = { checks: [] };
    this.#nodes.set(pointerOf(at), node);
    if (typeof schema === "boolean") {
      if (!schema) node.checks.push((_value, place, checking) => checking.fault(place, "is not allowed"));
    } else if (isJsonObject(schema)) this.#keywords(schema, at, node);
    else this.#fault(at, "is not a schema: an object, true or false");
    return node;
  }

  #keywords(schema: JsonObject, at: Steps, node: SchemaNode): void {
    if (at.length > 0 && schema["$id"] !== undefined) {
      this.#fault([...at, "$id"], "stands below the root, where it would change what references mean");
    }
    const isReference = this.#referencesOf(schema, at, node);
    this.#definitions(schema, at);
    // Draft-07 looks at nothing beside a $ref.
    if (isReference && this.#draft === "draft-07") return;
    for (const [keyword, assertion] of Object.entries(assertions)) {
      const operand = schema[keyword];
      if (operand === undefined) continue;
      const check = assertion(operand);
      if (typeof check === "string") this.#fault([...at, keyword], check);
      else node.checks.push(check);
    }
    for (const applicator of applicators[this.#draft]) {
      const check = applicator(schema, {
        node: (child, ...steps) => this.#node(child, [...at, ...steps]),
        fault: (message, ...steps) => this.#fault([...at, ...steps], message),
      });
      if (check !== undefined) node.checks.push(check);
    }
    if (schema["unevaluatedItems"] !== undefined || schema["unevaluatedProperties"] !== undefined) {
      this.tracks ||= this.#draft === "2020-12";
    }
  }

  /** Notes where a schema refers to, and under which names it can be referred to. */
  #referencesOf(schema: JsonObject, at: Steps, node: SchemaNode): boolean {
    // In a single document a dynamic anchor is the only one of its name, and so not dynamic.
    for (const keyword of ["$anchor", "$dynamicAnchor"]) {
      const name = schema[keyword];
      if (typeof name === "string") this.#anchors.set(name, node);
    }
    let found = false;
    for (const keyword of ["$ref", "$dynamicRef"]) {
      const to = schema[keyword];
      if (to === undefined) continue;
      found = true;
      if (typeof to === "string" && to.startsWith("#")) {
        const reference: Reference = { to, at: [...at, keyword], target: undefined };
        this.#references.push(reference);
        node.checks.push(
          (value, place, checking, seen) =>
            reference.target === undefined || checking.inPlace(reference.target, value, place, seen),
        );
      } else this.#fault([...at, keyword], "does not lead within the document: it begins with #");
    }
    return found;
  }

  /** Compiles what is only there to be referred to, for its faults. */
  #definitions(schema: JsonObject, at: Steps): void {
    for (const keyword of ["$defs", "definitions"]) {
      const definitions = schema[keyword];
      if (!isJsonObject(definitions)) continue;
      for (const [name, definition] of Object.entries(definitions)) {
        this.#node(definition, [...at, keyword, name]);
      }
    }
  }

  #target(to: string, at: Steps): SchemaNode | undefined {
    const fragment = decoded(to.slice(1));
    if (fragment !== undefined && fragment !== "" && !fragment.startsWith("/")) {
      const anchored = this.#anchors.get(fragment);
      if (anchored === undefined) this.#fault(at, "leads nowhere: there is no such anchor");
      return anchored;
    }
    const found = fragment === undefined ? undefined : stepsTo(fragment, this.#document);
    if (found === undefined) {
      this.#fault(at, "leads nowhere: there is no such place in the schema");
      return undefined;
    }
    return this.#nodes.get(pointerOf(found.steps)) ?? this.#node(found.value, found.steps);
  }
}

function decoded(fragment: string): string | undefined {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
}

/** Follows a JSON pointer. */
function stepsTo(
  pointer: string,
  document: Json,
): { readonly steps: Steps; readonly value: Json } | undefined {
  const steps: (string | number)[] = [];
  let value = document;
  for (const token of pointer.split("/").slice(1)) {
    const name = token.replaceAll("~1", "/").replaceAll("~0", "~");
    const below: Json | undefined = isJsonObject(value)
      ? Object.hasOwn(value, name)
        ? value[name]
        : undefined
      : Array.isArray(value) && /^\d+$/.test(name)
        ? (value as readonly Json[])[Number(name)]
        : undefined;
    if (below === undefined) return undefined;
    steps.push(Array.isArray(value) ? Number(name) : name);
    value = below;
  }
  return { steps, value };
}

function pointerOf(steps: Steps): string {
  return steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function placeOf(steps: Steps): Place {
  return steps.reduce<Place>((above, step) => ({ above, step }), undefined);
}
