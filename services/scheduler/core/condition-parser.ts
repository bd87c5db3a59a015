/**
 * Parses a condition: the grammar is a library's, what may be said in it is decided here.
 */
import { type ASTNode, Environment, ParseError } from "@marcbachmann/cel-js";
import {
  type BinaryOperator,
  binaryOperators,
  type Expression,
  type FunctionName,
  functions,
  type Macro,
  macros,
} from "./condition-expression.ts";
import { compilePattern } from "./pattern.ts";

/** How long a condition may be, in characters. */
const maxLength = 4096;

/** How deep operators may be nested, a chain of them counting one level each; keeps every walk far from the stack's end. */
const maxDepth = 250;

const library = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  limits: { maxAstNodes: 1500, maxDepth: 100 },
});

/** A name that a condition looks up. */
export interface ConditionReference {
  readonly root: string;
  /** After `nodes`, which node; else undefined. */
  readonly node: string | undefined;
}

/** Parses a condition, and lists each name that it looks up once. */
export function parseCondition(
  text: string,
):
  | { readonly expression: Expression; readonly references: readonly ConditionReference[] }
  | { readonly fault: string } {
  if (text.length > maxLength) return { fault: `is longer than ${maxLength} characters` };
  try {
    const reader = new Reader();
    const expression = reader.read(library.parse(text).ast, 0);
    return { expression, references: reader.references };
  } catch (error) {
    if (error instanceof Refusal) return { fault: error.message };
    if (!(error instanceof ParseError)) throw error;
    return { fault: `is not CEL: ${placed(error)}` };
  }
}

/** Ends the reading of a condition, wherever in the tree it is. */
class Refusal extends Error {}

/** Turns the library's tree into ours. */
class Reader {
  readonly #found = new Map<string, ConditionReference>();
  /** Names of the variables of the macros around, outermost first. */
  readonly #variables: string[] = [];

  get references(): readonly ConditionReference[] {
    return [...this.#found.values()];
  }

  read(ast: ASTNode, depth: number): Expression {
    if (depth > maxDepth) throw new Refusal(`is nested deeper than ${maxDepth} levels`);
    const read = (child: ASTNode) => this.read(child, depth + 1);
    switch (ast.op) {
      case "value":
        return constant(ast.args);
      case "id":
        return this.#name(ast.args);
      case ".":
        return this.#nodeNamed(ast.args[0], ast.args[1]) ?? member(read(ast.args[0]), ast.args[1]);
      case "[]": {
        const [of, index] = ast.args;
        const node = index.op === "value" && typeof index.args === "string" ? index.args : undefined;
        const named = node === undefined ? undefined : this.#nodeNamed(of, node);
        return named ?? { kind: "item", of: read(of), index: read(index) };
      }
      case "list":
        return { kind: "list", items: ast.args.map(read) };
      case "map":
        return { kind: "object", entries: ast.args.map(([key, value]) => [read(key), read(value)] as const) };
      case "!_":
        return { kind: "not", operand: read(ast.args) };
      case "-_":
        return { kind: "negate", operand: read(ast.args) };
      case "&&":
      case "||":
        return {
          kind: "logic",
          decidedBy: ast.op === "||",
          left: read(ast.args[0]),
          right: read(ast.args[1]),
        };
      case "?:": {
        const [condition, yes, no] = ast.args;
        return { kind: "choice", condition: read(condition), yes: read(yes), no: read(no) };
      }
      case "call":
        return this.#call(ast.args[0], undefined, ast.args[1], depth);
      case "rcall":
        return this.#call(ast.args[0], ast.args[1], ast.args[2], depth);
      default:
        if (!isBinary(ast.op)) throw new Refusal(`has ${ast.op}, which is not supported`);
        return this.#binary(ast.op, ast.args as [ASTNode, ASTNode], depth);
    }
  }

  #binary(operator: BinaryOperator, [left, right]: readonly [ASTNode, ASTNode], depth: number): Expression {
    return {
      kind: "binary",
      operator,
      left: this.read(left, depth + 1),
      right: this.read(right, depth + 1),
    };
  }

  #name(name: string): Expression {
    const slot = this.#variables.lastIndexOf(name);
    if (slot >= 0) return { kind: "variable", name, slot };
    if (name === "nodes") throw new Refusal('has nodes without a node: write nodes.ID or nodes["ID"]');
    return this.#lookedUp(name, undefined);
  }

  /** What `nodes.ID` and `nodes["ID"]` stand for; undefined when `of` is not `nodes`. */
  #nodeNamed(of: ASTNode, node: string): Expression | undefined {
    if (of.op !== "id" || of.args !== "nodes" || this.#variables.includes("nodes")) return undefined;
    return this.#lookedUp("nodes", node);
  }

  #lookedUp(root: string, node: string | undefined): Expression {
    this.#found.set(`${root}.${node ?? ""}`, { root, node });
    return { kind: "name", name: root, node: node ?? "" };
  }

  #call(name: string, receiver: ASTNode | undefined, args: readonly ASTNode[], depth: number): Expression {
    const read = (child: ASTNode) => this.read(child, depth + 1);
    if (receiver !== undefined && isMacro(name)) return this.#macro(name, receiver, args, depth);
    if (receiver === undefined && name === "has") return this.#has(args, depth);
    if (name === "matches" && receiver !== undefined) return matches(read(receiver), args);
    if (!isFunction(name) || !takes(name, receiver !== undefined)) {
      throw new Refusal(`has ${receiver === undefined ? "" : "."}${name}(), which is not known`);
    }
    const operands = receiver === undefined ? args : [receiver, ...args];
    if (operands.length !== functions[name])
      throw new Refusal(`calls ${name}() with ${args.length} operands`);
    return { kind: "call", name, operands: operands.map(read) };
  }

  #has(args: readonly ASTNode[], depth: number): Expression {
    const [path] = args;
    if (path?.op !== "." || args.length !== 1) throw new Refusal("has has() of what is not a path like A.x");
    return { kind: "has", path: this.read(path, depth + 1) };
  }

  #macro(macro: Macro, receiver: ASTNode, args: readonly ASTNode[], depth: number): Expression {
    const [variable, first, second] = args;
    const isFiltered = macro === "map" && args.length === 3;
    const body = isFiltered ? second : first;
    if (variable?.op !== "id" || first === undefined || body === undefined) {
      throw new Refusal(`has ${macro}() without a variable and an expression`);
    }
    if (args.length > 2 && !isFiltered) throw new Refusal(`calls ${macro}() with ${args.length} operands`);
    const range = this.read(receiver, depth + 1);
    const slot = this.#variables.push(variable.args) - 1;
    const where = isFiltered ? this.read(first, depth + 1) : undefined;
    const read = this.read(body, depth + 1);
    this.#variables.pop();
    return { kind: "macro", macro, range, slot, where, body: read };
  }
}

function constant(value: unknown): Expression {
  // CEL tells integers from doubles; JSON does not, and so neither does a condition.
  const known = typeof value === "bigint" ? Number(value) : value;
  if (typeof known === "number" && !Number.isFinite(known)) throw new Refusal("has a number out of range");
  if (typeof known === "string" || typeof known === "number") return { kind: "constant", value: known };
  if (typeof value === "boolean" || value === null) return { kind: "constant", value };
  throw new Refusal("has bytes or an unsigned number, which JSON does not have");
}

function member(of: Expression, key: string): Expression {
  return { kind: "member", of, key };
}

function matches(text: Expression, args: readonly ASTNode[]): Expression {
  const [written] = args;
  if (args.length !== 1 || written?.op !== "value" || typeof written.args !== "string") {
    throw new Refusal("has matches() of what is not a text in quotes");
  }
  const pattern = compilePattern(written.args);
  if ("fault" in pattern) throw new Refusal(`has matches() of an expression that ${pattern.fault}`);
  return { kind: "matches", text, pattern };
}

/** Whether a function may be called this way: conversions only as functions, `size` both ways, the others as methods. */
function takes(name: FunctionName, isMethod: boolean): boolean {
  if (name === "size") return true;
  return isMethod !== ["int", "double", "string", "dyn"].includes(name);
}

function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(functions, name);
}

function isMacro(name: string): name is Macro {
  return (macros as readonly string[]).includes(name);
}

function isBinary(operator: string): operator is BinaryOperator {
  return (binaryOperators as readonly string[]).includes(operator);
}

/** The library's words without its drawing of the source below them. */
function placed({ summary, range }: ParseError): string {
  const words = `${summary.charAt(0).toLowerCase()}${summary.slice(1)}`.slice(0, 200);
  return range === undefined ? words : `${words}, at character ${range.start + 1}`;
}
