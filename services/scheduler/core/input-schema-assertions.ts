/**
 * Keywords of JSON Schema that look at one value and have no schemas within.
 */
import { canonical, charactersPerStep, type KeywordCheck } from "./input-schema-check.ts";
import { isJsonObject, type Json } from "./json.ts";
import { compilePattern } from "./pattern.ts";

/** Makes a check of a keyword's operand, or says what is wrong with the operand. */
type Assertion = (operand: Json) => KeywordCheck | string;

/** Every such keyword, the same in both drafts. */
export const assertions: Readonly<Record<string, Assertion>> = {
  type,
  enum: oneOf,
  const: (operand) => oneOf([operand]),
  multipleOf,
  minimum: limit("is less than", (value, bound) => value >= bound),
  maximum: limit("is more than", (value, bound) => value <= bound),
  exclusiveMinimum: limit("is not more than", (value, bound) => value > bound),
  exclusiveMaximum: limit("is not less than", (value, bound) => value < bound),
  minLength: size(lengthOfText, (length, bound) => length >= bound, "has fewer characters than"),
  maxLength: size(lengthOfText, (length, bound) => length <= bound, "has more characters than"),
  minItems: size(lengthOfList, (length, bound) => length >= bound, "has fewer items than"),
  maxItems: size(lengthOfList, (length, bound) => length <= bound, "has more items than"),
  minProperties: size(lengthOfObject, (length, bound) => length >= bound, "has fewer members than"),
  maxProperties: size(lengthOfObject, (length, bound) => length <= bound, "has more members than"),
  pattern,
  uniqueItems,
  required: (operand) => (isTextList(operand) ? membersRequired(operand) : "is not a list of texts"),
  dependentRequired,
};

/** Checks that an object has certain members. */
export function membersRequired(names: readonly string[]): KeywordCheck {
  return (value, place, checking) => {
    if (!isJsonObject(value)) return true;
    checking.spend(names.length);
    let holds = true;
    for (const name of names) {
      if (!Object.hasOwn(value, name)) holds = checking.fault({ above: place, step: name }, "is missing");
    }
    return holds;
  };
}

/** Whether a value is a list of texts. */
export function isTextList(value: Json): value is readonly string[] {
  return isList(value) && value.every((item) => typeof item === "string");
}

/** Whether a value is a list. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

const typeNames: Readonly<Record<string, string>> = {
  object: "an object",
  array: "a list",
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

function type(operand: Json): KeywordCheck | string {
  const types = isList(operand) ? operand : [operand];
  if (!isTextList(types) || !types.every((name) => Object.hasOwn(typeNames, name))) {
    return `is not one of ${Object.keys(typeNames).join(", ")}, or a list of them`;
  }
  const message = `is not ${types.map((name) => typeNames[name]).join(" or ")}`;
  return (value, place, checking) => {
    const holds = types.some((name) => isOfType(value, name));
    return holds || checking.fault(place, message);
  };
}

function isOfType(value: Json, name: string): boolean {
  switch (name) {
    case "object":
      return isJsonObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "null":
      return value === null;
    default:
      return typeof value === name;
  }
}

function oneOf(operand: Json): KeywordCheck | string {
  if (!isList(operand)) return "is not a list";
  const allowed = new Set(operand.map((value) => canonical(value)));
  const names = [...allowed].join(", ");
  const message = `is not ${operand.length === 1 ? "" : "one of "}${names.length > 200 ? `${names.slice(0, 200)}…` : names}`;
  return (value, place, checking) => {
    const holds = allowed.has(canonical(value, (steps) => checking.spend(steps)));
    return holds || checking.fault(place, message);
  };
}

function limit(words: string, holds: (value: number, bound: number) => boolean): Assertion {
  return (bound) => {
    if (typeof bound !== "number") return "is not a number";
    return (value, place, checking) =>
      typeof value !== "number" || holds(value, bound) || checking.fault(place, `${words} ${bound}`);
  };
}

function multipleOf(divisor: Json): KeywordCheck | string {
  if (typeof divisor !== "number" || divisor <= 0) return "is not a number above zero";
  return (value, place, checking) => {
    if (typeof value !== "number") return true;
    const times = value / divisor;
    // Binary fractions: 0.3 / 0.1 is 2.9999999999999996.
    const holds = Math.abs(times - Math.round(times)) <= 4 * Number.EPSILON * Math.abs(times);
    return holds || checking.fault(place, `is not a multiple of ${divisor}`);
  };
}

function size(
  lengthOf: (value: Json) => number | undefined,
  holds: (length: number, bound: number) => boolean,
  words: string,
): Assertion {
  return (bound) => {
    if (typeof bound !== "number" || !Number.isInteger(bound) || bound < 0) {
      return "is not a whole number from zero";
    }
    return (value, place, checking) => {
      checking.spend(typeof value === "string" ? value.length / charactersPerStep : 0);
      const length = lengthOf(value);
      return length === undefined || holds(length, bound) || checking.fault(place, `${words} ${bound}`);
    };
  };
}

const surrogatePairs = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;

/** Counts code points, not the halves of which JavaScript makes some of them. */
function lengthOfText(value: Json): number | undefined {
  if (typeof value !== "string") return undefined;
  return value.length - (value.match(surrogatePairs)?.length ?? 0);
}

function lengthOfList(value: Json): number | undefined {
  return isList(value) ? value.length : undefined;
}

function lengthOfObject(value: Json): number | undefined {
  return isJsonObject(value) ? Object.keys(value).length : undefined;
}

function pattern(operand: Json): KeywordCheck | string {
  if (typeof operand !== "string") return "is not a text";
  const compiled = compilePattern(operand);
  if ("fault" in compiled) return compiled.fault;
  return (value, place, checking) => {
    if (typeof value !== "string") return true;
    checking.spend(compiled.stepsFor(value));
    return compiled.isIn(value) || checking.fault(place, `does not match ${operand.slice(0, 200)}`);
  };
}

function uniqueItems(operand: Json): KeywordCheck | string {
  if (typeof operand !== "boolean") return "is not true or false";
  return (value, place, checking) => {
    if (!operand || !isList(value)) return true;
    const places = new Map<string, number>();
    for (const [index, item] of value.entries()) {
      const written = canonical(item, (steps) => checking.spend(steps));
      const first = places.get(written);
      if (first !== undefined) return checking.fault(place, `has equal items at ${first} and ${index}`);
      places.set(written, index);
    }
    return true;
  };
}

function dependentRequired(operand: Json): KeywordCheck | string {
  if (!isJsonObject(operand)) return "is not an object";
  const checks: (readonly [string, KeywordCheck])[] = [];
  for (const [name, names] of Object.entries(operand)) {
    if (!isTextList(names)) return "is not an object of lists of texts";
    checks.push([name, membersRequired(names)]);
  }
  return (value, place, checking, seen) => {
    if (!isJsonObject(value)) return true;
    checking.spend(checks.length);
    let holds = true;
    for (const [name, check] of checks) {
      if (Object.hasOwn(value, name)) holds = check(value, place, checking, seen) && holds;
    }
    return holds;
  };
}
