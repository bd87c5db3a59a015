/**
 * Keywords of JSON Schema that apply schemas: to the same value, to the members of an object, to the items of a list.
 */
import { isList, isTextList, membersRequired } from "./input-schema-assertions.ts";
import type { Checking, KeywordCheck, Place, SchemaNode, Seen } from "./input-schema-check.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { compilePattern, type Pattern } from "./pattern.ts";

/** Compiles the schemas within a schema. Faults of operands are told to it, and the keyword is then without effect. */
export interface SubschemaCompiler {
  /** The schema that stands at these steps below the schema that is being compiled. */
  readonly node: (schema: Json, ...steps: (string | number)[]) => SchemaNode;
  readonly fault: (message: string, ...steps: (string | number)[]) => void;
}

/** A keyword, with those that stand beside it and change its meaning. */
type Applicator = (schema: JsonObject, compiler: SubschemaCompiler) => KeywordCheck | undefined;

/** Keywords of both drafts. */
const common: readonly Applicator[] = [
  list("allOf", checkAll),
  list("anyOf", checkAny),
  list("oneOf", checkOne),
  not,
  condition,
  members,
  memberNames,
  contains,
];

/** In the order in which they are checked: what asks for the unevaluated comes last. */
export const applicators: Readonly<Record<"2020-12" | "draft-07", readonly Applicator[]>> = {
  "2020-12": [
    ...common,
    dependentSchemas,
    (schema, compiler) => items({ first: "prefixItems", rest: "items" }, schema, compiler),
    unevaluatedItems,
    unevaluatedMembers,
  ],
  "draft-07": [...common, dependencies, itemsOfDraft7],
};

function list(
  keyword: string,
  check: (
    nodes: readonly SchemaNode[],
    ...applied: readonly [value: Json, place: Place, checking: Checking, seen: Seen]
  ) => boolean,
): Applicator {
  return (schema, compiler) => {
    const operand = schema[keyword];
    if (operand === undefined) return undefined;
    const nodes = nodesOf(keyword, operand, compiler);
    return (value, place, checking, seen) => check(nodes, value, place, checking, seen);
  };
}

function nodesOf(keyword: string, operand: Json, compiler: SubschemaCompiler): SchemaNode[] {
  if (isList(operand) && operand.length > 0)
    return operand.map((schema, index) => compiler.node(schema, keyword, index));
  compiler.fault("is not a list of schemas", keyword);
  return [];
}

function checkAll(
  nodes: readonly SchemaNode[],
  value: Json,
  place: Place,
  checking: Checking,
  seen: Seen,
): boolean {
  let holds = true;
  for (const node of nodes) holds = checking.inPlace(node, value, place, seen) && holds;
  return holds;
}

function checkAny(
  nodes: readonly SchemaNode[],
  value: Json,
  place: Place,
  checking: Checking,
  seen: Seen,
): boolean {
  let holds = false;
  for (const node of nodes) {
    holds = checking.quietly(() => checking.inPlace(node, value, place, seen)) || holds;
    // The others only matter for what they look at.
    if (holds && seen === undefined) return true;
  }
  return holds || checking.fault(place, "is none of what it may be");
}

function checkOne(
  nodes: readonly SchemaNode[],
  value: Json,
  place: Place,
  checking: Checking,
  seen: Seen,
): boolean {
  const holding = nodes.filter((node) => checking.quietly(() => checking.inPlace(node, value, place, seen)));
  if (holding.length === 1) return true;
  return checking.fault(
    place,
    holding.length === 0 ? "is none of what it may be" : "is more than one of what it may be",
  );
}

function not(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  if (schema["not"] === undefined) return undefined;
  const node = compiler.node(schema["not"], "not");
  return (value, place, checking) =>
    !checking.quietly(() => checking.below(node, value, place)) ||
    checking.fault(place, "is what it may not be");
}

function condition(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  const part = (keyword: string) =>
    schema[keyword] === undefined ? undefined : compiler.node(schema[keyword], keyword);
  const [when, yes, no] = [part("if"), part("then"), part("else")];
  if (when === undefined) return undefined;
  return (value, place, checking, seen) => {
    const branch = checking.quietly(() => checking.inPlace(when, value, place, seen)) ? yes : no;
    return branch === undefined || checking.inPlace(branch, value, place, seen);
  };
}

function members(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  const named = new Map(namedNodes("properties", schema, compiler));
  const matching: { pattern: Pattern; node: SchemaNode }[] = [];
  for (const [text, node] of namedNodes("patternProperties", schema, compiler)) {
    const pattern = compilePattern(text);
    if ("fault" in pattern) compiler.fault(pattern.fault, "patternProperties", text);
    else matching.push({ pattern, node });
  }
  const additional = schema["additionalProperties"];
  const other = additional === undefined ? undefined : compiler.node(additional, "additionalProperties");
  if (named.size + matching.length === 0 && other === undefined) return undefined;
  return (value, place, checking, seen) => {
    if (!isJsonObject(value)) return true;
    let holds = true;
    for (const [name, member] of Object.entries(value)) {
      checking.spend(1);
      const below = { above: place, step: name };
      const nodes = matching.filter(({ pattern }) => {
        checking.spend(1 + pattern.stepsFor(name));
        return pattern.isIn(name);
      });
      const own = named.get(name);
      if (own !== undefined) holds = checking.below(own, member, below) && holds;
      for (const { node } of nodes) holds = checking.below(node, member, below) && holds;
      const isOther = own === undefined && nodes.length === 0;
      if (isOther && other !== undefined) holds = checking.below(other, member, below) && holds;
      if (!isOther || other !== undefined) seen?.add(name);
    }
    return holds;
  };
}

function namedNodes(
  keyword: string,
  schema: JsonObject,
  compiler: SubschemaCompiler,
): (readonly [string, SchemaNode])[] {
  const operand = schema[keyword];
  if (isJsonObject(operand)) {
    return Object.entries(operand).map(
      ([name, child]) => [name, compiler.node(child, keyword, name)] as const,
    );
  }
  if (operand !== undefined) compiler.fault("is not an object of schemas", keyword);
  return [];
}

function memberNames(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  if (schema["propertyNames"] === undefined) return undefined;
  const node = compiler.node(schema["propertyNames"], "propertyNames");
  return (value, place, checking) => {
    if (!isJsonObject(value)) return true;
    let holds = true;
    for (const name of Object.keys(value)) {
      if (checking.quietly(() => checking.below(node, name, place))) continue;
      holds = checking.fault({ above: place, step: name }, "has a name that is not allowed");
    }
    return holds;
  };
}

function dependentSchemas(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  const nodes = namedNodes("dependentSchemas", schema, compiler);
  return nodes.length === 0 ? undefined : whereNamed(nodes);
}

/** What draft 2020-12 divides into `dependentSchemas` and `dependentRequired`. */
function dependencies(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  const operand = schema["dependencies"];
  if (operand === undefined) return undefined;
  if (!isJsonObject(operand)) {
    compiler.fault("is not an object", "dependencies");
    return undefined;
  }
  const nodes = Object.entries(operand).map(([name, wanted]): readonly [string, SchemaNode] => {
    if (isTextList(wanted)) return [name, { checks: [membersRequired(wanted)] }];
    return [name, compiler.node(wanted, "dependencies", name)];
  });
  return whereNamed(nodes);
}

function whereNamed(nodes: readonly (readonly [string, SchemaNode])[]): KeywordCheck {
  return (value, place, checking, seen) => {
    if (!isJsonObject(value)) return true;
    checking.spend(nodes.length);
    let holds = true;
    for (const [name, node] of nodes) {
      if (Object.hasOwn(value, name)) holds = checking.inPlace(node, value, place, seen) && holds;
    }
    return holds;
  };
}

function itemsOfDraft7(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  if (isList(schema["items"])) return items({ first: "items", rest: "additionalItems" }, schema, compiler);
  return items({ first: undefined, rest: "items" }, schema, compiler);
}

function items(
  keywords: { readonly first: string | undefined; readonly rest: string },
  schema: JsonObject,
  compiler: SubschemaCompiler,
): KeywordCheck | undefined {
  const { first, rest } = keywords;
  const operand = first === undefined ? undefined : schema[first];
  const nodes = first === undefined || operand === undefined ? [] : nodesOf(first, operand, compiler);
  const other = schema[rest] === undefined ? undefined : compiler.node(schema[rest], rest);
  if (nodes.length === 0 && other === undefined) return undefined;
  return (value, place, checking, seen) => {
    if (!isList(value)) return true;
    let holds = true;
    for (const [index, item] of value.entries()) {
      const node = nodes[index] ?? other;
      if (node === undefined) break;
      holds = checking.below(node, item, { above: place, step: index }) && holds;
      seen?.add(index);
    }
    return holds;
  };
}

function contains(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  if (schema["contains"] === undefined) return undefined;
  const node = compiler.node(schema["contains"], "contains");
  const bound = (keyword: string, unset: number): number => {
    const operand = schema[keyword] ?? unset;
    if (typeof operand === "number" && operand >= 0) return operand;
    compiler.fault("is not a whole number from zero", keyword);
    return unset;
  };
  const [least, most] = [bound("minContains", 1), bound("maxContains", Number.POSITIVE_INFINITY)];
  return (value, place, checking, seen) => {
    if (!isList(value)) return true;
    let found = 0;
    for (const [index, item] of value.entries()) {
      if (!checking.quietly(() => checking.below(node, item, { above: place, step: index }))) continue;
      found++;
      seen?.add(index);
    }
    if (found >= least && found <= most) return true;
    const bounds = most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`;
    return checking.fault(place, `contains ${found} of the items of which it must have ${bounds}`);
  };
}

function unevaluatedItems(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  if (schema["unevaluatedItems"] === undefined) return undefined;
  const node = compiler.node(schema["unevaluatedItems"], "unevaluatedItems");
  return (value, place, checking, seen) =>
    !isList(value) || rest(node, value.entries(), place, checking, seen);
}

function unevaluatedMembers(schema: JsonObject, compiler: SubschemaCompiler): KeywordCheck | undefined {
  if (schema["unevaluatedProperties"] === undefined) return undefined;
  const node = compiler.node(schema["unevaluatedProperties"], "unevaluatedProperties");
  return (value, place, checking, seen) =>
    !isJsonObject(value) || rest(node, Object.entries(value), place, checking, seen);
}

/** Applies a schema to all that nothing beside it has looked at. */
function rest(
  node: SchemaNode,
  parts: Iterable<readonly [string | number, Json]>,
  place: Place,
  checking: Checking,
  seen: Seen,
): boolean {
  let holds = true;
  for (const [step, part] of parts) {
    checking.spend(1);
    if (seen?.has(step)) continue;
    holds = checking.below(node, part, { above: place, step }) && holds;
    seen?.add(step);
  }
  return holds;
}
