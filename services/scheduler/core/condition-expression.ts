/**
 * What a condition is made of, once parsed: the part of CEL that makes sense of JSON. The library's tree is taken apart
 * here and nowhere else, so that what a stored condition means does not change with the library.
 */
import type { Json } from "./json.ts";
import type { Pattern } from "./pattern.ts";

/** Operators between two values. */
export const binaryOperators = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in"] as const;
export type BinaryOperator = (typeof binaryOperators)[number];

/** What is done for each item of a list, or each key of an object. */
export const macros = ["all", "exists", "exists_one", "filter", "map"] as const;
export type Macro = (typeof macros)[number];

/** Functions, and how many operands each takes; a method's receiver is its first. */
export const functions = {
  size: 1,
  int: 1,
  double: 1,
  string: 1,
  dyn: 1,
  contains: 2,
  startsWith: 2,
  endsWith: 2,
  lowerAscii: 1,
  upperAscii: 1,
  trim: 1,
} as const satisfies Readonly<Record<string, number>>;
export type FunctionName = keyof typeof functions;

export type Expression =
  | { readonly kind: "constant"; readonly value: Json }
  /** A name looked up in the scope; `node` is the member after `nodes`, else empty. */
  | { readonly kind: "name"; readonly name: string; readonly node: string }
  /** The variable of a macro; `slot` counts the macros around that macro. */
  | { readonly kind: "variable"; readonly name: string; readonly slot: number }
  | { readonly kind: "member"; readonly of: Expression; readonly key: string }
  | { readonly kind: "item"; readonly of: Expression; readonly index: Expression }
  /** Whether a path leads to a value. */
  | { readonly kind: "has"; readonly path: Expression }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "negate"; readonly operand: Expression }
  /** `||` when `decidedBy` is true, `&&` when it is false: the operand that alone decides. */
  | {
      readonly kind: "logic";
      readonly decidedBy: boolean;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: "choice";
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "call"; readonly name: FunctionName; readonly operands: readonly Expression[] }
  | { readonly kind: "matches"; readonly text: Expression; readonly pattern: Pattern }
  | {
      readonly kind: "macro";
      readonly macro: Macro;
      readonly range: Expression;
      readonly slot: number;
      /** What has to hold for an item that `map` takes; else undefined. */
      readonly where: Expression | undefined;
      readonly body: Expression;
    };

/** Writes a path as its author did, for messages; what is computed becomes an ellipsis. */
export function shown(expression: Expression): string {
  switch (expression.kind) {
    case "constant":
      return JSON.stringify(expression.value).slice(0, 40);
    case "name":
      if (expression.name !== "nodes") return expression.name;
      return expression.node.includes("-")
        ? `nodes[${JSON.stringify(expression.node)}]`
        : `nodes.${expression.node}`;
    case "variable":
      return expression.name;
    case "member":
      return `${shown(expression.of)}.${expression.key}`;
    case "item":
      return `${shown(expression.of)}[${shown(expression.index)}]`;
    default:
      return "(…)";
  }
}
