/**
 * Operators and functions of conditions over JSON values.
 */
import type { BinaryOperator, FunctionName } from "./condition-expression.ts";
import { isJsonObject, type Json } from "./json.ts";

/** Why an expression has no value. Returned, because `||` goes on past it. */
export class Fault {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** Whether an expression came to no value. */
export function isFault(value: unknown): value is Fault {
  return value instanceof Fault;
}

/** Takes steps away from what an evaluation may use; does not return when there are none left. */
export type Spend = (steps: number) => void;

/** Characters that take about as long as one step. */
const charactersPerStep = 16;

type Operation = (operands: readonly Json[], spend: Spend) => Json | Fault;

/** Carries out an operator or a function. A number that JSON can not write is a fault. */
export function operate(
  name: BinaryOperator | FunctionName,
  operands: readonly Json[],
  spend: Spend,
): Json | Fault {
  spend(operands.reduce<number>((total, operand) => total + lengthOf(operand), 0) / charactersPerStep);
  const value = operations[name](operands, spend);
  if (typeof value === "number" && !Number.isFinite(value))
    return new Fault(`${name} leaves the range of numbers`);
  return value;
}

const operations: Readonly<Record<BinaryOperator | FunctionName, Operation>> = {
  "==": ([left, right], spend) => areEqual(left, right, spend),
  "!=": ([left, right], spend) => !areEqual(left, right, spend),
  "<": (operands) => compared("<", operands, (order) => order < 0),
  "<=": (operands) => compared("<=", operands, (order) => order <= 0),
  ">": (operands) => compared(">", operands, (order) => order > 0),
  ">=": (operands) => compared(">=", operands, (order) => order >= 0),
  "+": add,
  "-": (operands) => numeric("-", operands, (left, right) => left - right),
  "*": (operands) => numeric("*", operands, (left, right) => left * right),
  "/": (operands) => numeric("/", operands, (left, right) => left / right),
  "%": (operands) => numeric("%", operands, (left, right) => left % right),
  in: ([value, where], spend) => isIn(value, where, spend),
  size: ([value]) => size(value),
  int: ([value]) => wholeNumber(value),
  double: ([value]) => numberOf(value),
  string: ([value]) => textOf(value),
  dyn: ([value]) => value ?? null,
  contains: (operands) => textual("contains", operands, (text, part) => text.includes(part)),
  startsWith: (operands) => textual("startsWith", operands, (text, part) => text.startsWith(part)),
  endsWith: (operands) => textual("endsWith", operands, (text, part) => text.endsWith(part)),
  lowerAscii: (operands) => textual("lowerAscii", operands, lowerAscii),
  upperAscii: (operands) => textual("upperAscii", operands, upperAscii),
  trim: (operands) => textual("trim", operands, (text) => text.trim()),
};

/** How much of a value an operation may have to look at, in characters; members of objects are charged as they are compared. */
function lengthOf(value: Json): number {
  return typeof value === "string" || Array.isArray(value) ? value.length : 0;
}

/** Whether two values are the same, members of objects in any order; values of different kinds are not. */
function areEqual(left: Json | undefined, right: Json | undefined, spend: Spend): boolean {
  spend(1 + (typeof left === "string" ? left.length / charactersPerStep : 0));
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object") return false;
  if (left === null || right === null || left === undefined || right === undefined) return false;
  if (isJsonObject(left)) {
    if (!isJsonObject(right)) return false;
    const keys = Object.keys(left);
    spend(keys.length);
    return (
      keys.length === Object.keys(right).length &&
      keys.every((key) => Object.hasOwn(right, key) && areEqual(left[key], right[key], spend))
    );
  }
  if (isJsonObject(right)) return false;
  return left.length === right.length && left.every((item, index) => areEqual(item, right[index], spend));
}

function compared(
  operator: BinaryOperator,
  [left, right]: readonly Json[],
  holds: (order: number) => boolean,
): boolean | Fault {
  if (typeof left === "number" && typeof right === "number") return holds(left - right);
  if (typeof left === "string" && typeof right === "string") {
    return holds(left < right ? -1 : Number(left > right));
  }
  return new Fault(`${operator} can not compare ${kindOf(left)} with ${kindOf(right)}`);
}

function add([left, right]: readonly Json[], spend: Spend): Json | Fault {
  if (typeof left === "number" && typeof right === "number") return left + right;
  if (typeof left === "string" && typeof right === "string") return left + right;
  if (Array.isArray(left) && Array.isArray(right)) {
    spend(left.length + right.length);
    return [...(left as readonly Json[]), ...(right as readonly Json[])];
  }
  return new Fault(`+ can not add ${kindOf(right)} to ${kindOf(left)}`);
}

function numeric(
  operator: BinaryOperator,
  [left, right]: readonly Json[],
  calculate: (left: number, right: number) => number,
): number | Fault {
  if (typeof left !== "number" || typeof right !== "number") {
    return new Fault(`${operator} needs two numbers, not ${kindOf(left)} and ${kindOf(right)}`);
  }
  if (right === 0 && (operator === "/" || operator === "%")) return new Fault(`${operator} divides by zero`);
  return calculate(left, right);
}

function isIn(value: Json | undefined, where: Json | undefined, spend: Spend): boolean | Fault {
  if (isJsonObject(where)) return typeof value === "string" && Object.hasOwn(where, value);
  if (Array.isArray(where)) return (where as readonly Json[]).some((item) => areEqual(item, value, spend));
  return new Fault(`in needs a list or an object, not ${kindOf(where)}`);
}

function size(value: Json | undefined): number | Fault {
  // CEL counts code points, not the halves of which JavaScript makes some of them.
  if (typeof value === "string") return value.length - (value.match(surrogatePairs)?.length ?? 0);
  if (Array.isArray(value)) return value.length;
  if (isJsonObject(value)) return Object.keys(value).length;
  return new Fault(`size() needs a text, a list or an object, not ${kindOf(value)}`);
}

const surrogatePairs = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;

function wholeNumber(value: Json | undefined): number | Fault {
  const number = numberOf(value, "int");
  return typeof number === "number" ? Math.trunc(number) : number;
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function numberOf(value: Json | undefined, name = "double"): number | Fault {
  if (typeof value === "number") return value;
  if (typeof value === "string" && value.length <= 40 && decimal.test(value)) return Number(value);
  return new Fault(`${name}() needs a number or a text that is one`);
}

function textOf(value: Json | undefined): string | Fault {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return new Fault(`string() needs a text, a number, true or false, not ${kindOf(value)}`);
}

function textual<Result extends Json>(
  name: FunctionName,
  [text, other = ""]: readonly Json[],
  apply: (text: string, other: string) => Result,
): Result | Fault {
  if (typeof text === "string" && typeof other === "string") return apply(text, other);
  return new Fault(`${name}() needs a text, not ${kindOf(typeof text === "string" ? other : text)}`);
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

function kindOf(value: Json | undefined): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "object") return isJsonObject(value) ? "an object" : "a list";
  if (typeof value === "boolean") return "true or false";
  return typeof value === "string" ? "a text" : "a number";
}
