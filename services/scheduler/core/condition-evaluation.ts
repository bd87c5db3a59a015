/**
 * Walks a condition's tree.
 *
 *   E1. Every node visited and every character or member compared, copied or searched costs steps; when they are used
 *       up the condition has no outcome, whatever `||` stands around it.
 *   E2. Values are JSON: a number that JSON can not write is a fault.
 */
import { type Expression, shown } from "./condition-expression.ts";
import { Fault, isFault, operate, type Spend } from "./condition-operations.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { Scope } from "./template.ts";

/** How many steps one condition may take: tens of milliseconds; enough to look at 50,000 items a few times each. */
const maxSteps = 500_000;

/** How many steps all conditions may take that one fact leads to: the half of a second. */
const maxStepsTogether = 5_000_000;

/** What is left for the conditions that one fact leads to. */
export interface StepBudget {
  left: number;
}

/** A budget of which nothing is used. */
export function stepBudget(): StepBudget {
  return { left: maxStepsTogether };
}

/** Unwinds the walk when its steps are used up: a fault that returned would be absorbed by `||`. */
class Exhausted extends Error {}

type Outcome = Json | Fault;
type Macro = Extract<Expression, { kind: "macro" }>;

/** One decision about one condition. */
export class Evaluation {
  readonly #scope: Scope;
  readonly #known = new Map<string, Json | undefined>();
  /** Values of the variables of the macros around. */
  readonly #variables: Json[] = [];
  readonly #budget: StepBudget;
  #used = 0;

  constructor(scope: Scope, budget: StepBudget) {
    this.#scope = scope;
    this.#budget = budget;
  }

  /** What an expression comes to. */
  result(expression: Expression): { readonly value: Json } | { readonly fault: string } {
    try {
      const outcome = this.#of(expression);
      return isFault(outcome) ? { fault: outcome.message } : { value: outcome };
    } catch (error) {
      if (!(error instanceof Exhausted)) throw error;
      return this.#used > maxSteps
        ? { fault: `takes more than ${maxSteps} steps` }
        : { fault: `takes, with the conditions before it, more than ${maxStepsTogether} steps` };
    } finally {
      this.#budget.left -= this.#used;
    }
  }

  readonly #spend: Spend = (steps) => {
    this.#used += steps;
    if (this.#used > maxSteps || this.#used > this.#budget.left) throw new Exhausted();
  };

  #of(expression: Expression): Outcome {
    this.#spend(1);
    switch (expression.kind) {
      case "constant":
        return expression.value;
      case "name":
      case "variable":
      case "member":
      case "item": {
        const found = this.#at(expression);
        return found === undefined ? new Fault(`${shown(expression)} has no value`) : found;
      }
      case "has": {
        const found = this.#at(expression.path);
        return isFault(found) ? found : found !== undefined;
      }
      case "list":
        return this.#all(expression.items);
      case "object":
        return this.#object(expression.entries);
      case "not": {
        const operand = this.#boolean(expression.operand, "!");
        return isFault(operand) ? operand : !operand;
      }
      case "negate": {
        const operand = this.#of(expression.operand);
        if (isFault(operand) || typeof operand === "number") return isFault(operand) ? operand : -operand;
        return new Fault(`- needs a number, and ${shown(expression.operand)} is none`);
      }
      case "logic":
        return this.#logic(expression.decidedBy, expression.left, expression.right);
      case "choice": {
        const condition = this.#boolean(expression.condition, "?");
        if (isFault(condition)) return condition;
        return this.#of(condition ? expression.yes : expression.no);
      }
      case "binary": {
        const operands = this.#all([expression.left, expression.right]);
        return isFault(operands) ? operands : operate(expression.operator, operands, this.#spend);
      }
      case "call": {
        const operands = this.#all(expression.operands);
        return isFault(operands) ? operands : operate(expression.name, operands, this.#spend);
      }
      case "matches": {
        const text = this.#of(expression.text);
        if (isFault(text)) return text;
        if (typeof text !== "string") return new Fault("matches() needs a text");
        this.#spend(expression.pattern.stepsFor(text));
        return expression.pattern.isIn(text);
      }
      case "macro":
        return this.#macro(expression);
    }
  }

  /** What a path leads to; undefined where it ends. */
  #at(path: Expression): Outcome | undefined {
    switch (path.kind) {
      case "name":
        return this.#named(path.name, path.node);
      case "variable":
        return this.#variables[path.slot];
      case "member":
      case "item": {
        this.#spend(1);
        const key = path.kind === "member" ? path.key : this.#of(path.index);
        if (isFault(key)) return key;
        const of = this.#at(path.of);
        return of === undefined || isFault(of) ? of : memberOf(of, key);
      }
      default:
        return this.#of(path);
    }
  }

  #named(name: string, node: string): Json | undefined {
    const key = `${name}.${node}`;
    if (!this.#known.has(key)) this.#known.set(key, this.#scope(name, node));
    return this.#known.get(key);
  }

  #all(expressions: readonly Expression[]): Json[] | Fault {
    const values: Json[] = [];
    for (const expression of expressions) {
      const value = this.#of(expression);
      if (isFault(value)) return value;
      values.push(value);
    }
    return values;
  }

  #object(entries: readonly (readonly [Expression, Expression])[]): JsonObject | Fault {
    const members = new Map<string, Json>();
    for (const entry of entries) {
      const values = this.#all(entry);
      if (isFault(values)) return values;
      const [key, value] = values;
      if (typeof key !== "string" || value === undefined)
        return new Fault("a key of an object is not a text");
      if (members.has(key))
        return new Fault(`an object has the key ${JSON.stringify(key.slice(0, 40))} twice`);
      members.set(key, value);
    }
    return Object.fromEntries(members);
  }

  #boolean(expression: Expression, operator: string): boolean | Fault {
    const value = this.#of(expression);
    if (typeof value === "boolean" || isFault(value)) return value;
    return new Fault(`${operator} needs true or false, and ${shown(expression)} is neither`);
  }

  #logic(decidedBy: boolean, left: Expression, right: Expression): boolean | Fault {
    const operator = decidedBy ? "||" : "&&";
    const first = this.#boolean(left, operator);
    if (first === decidedBy) return decidedBy;
    const second = this.#boolean(right, operator);
    if (second === decidedBy) return decidedBy;
    return isFault(first) ? first : second;
  }

  #macro(expression: Macro): Outcome {
    const range = this.#of(expression.range);
    if (isFault(range)) return range;
    if (typeof range !== "object" || range === null) {
      return new Fault(
        `${expression.macro}() needs a list or an object, and ${shown(expression.range)} is neither`,
      );
    }
    const items = isJsonObject(range) ? Object.keys(range) : range;
    this.#spend(items.length);
    switch (expression.macro) {
      case "all":
        return this.#decide(false, items, expression);
      case "exists":
        return this.#decide(true, items, expression);
      case "exists_one": {
        const found = this.#filter(items, expression, expression.body);
        return isFault(found) ? found : found.length === 1;
      }
      case "filter":
        return this.#filter(items, expression, expression.body);
      case "map": {
        const { where } = expression;
        const taken = where === undefined ? items : this.#filter(items, expression, where);
        return isFault(taken) ? taken : this.#map(taken, expression);
      }
    }
  }

  /** `||` or `&&` over all items: a fault counts only when no item decides. */
  #decide(decidedBy: boolean, items: readonly Json[], { slot, body, macro }: Macro): boolean | Fault {
    let fault: Fault | undefined;
    for (const item of items) {
      this.#variables[slot] = item;
      const value = this.#boolean(body, `${macro}()`);
      if (value === decidedBy) return decidedBy;
      if (isFault(value)) fault ??= value;
    }
    return fault ?? !decidedBy;
  }

  #filter(items: readonly Json[], { slot, macro }: Macro, condition: Expression): Json[] | Fault {
    const taken: Json[] = [];
    for (const item of items) {
      this.#variables[slot] = item;
      const value = this.#boolean(condition, `${macro}()`);
      if (isFault(value)) return value;
      if (value) taken.push(item);
    }
    return taken;
  }

  #map(items: readonly Json[], { slot, body }: Macro): Json[] | Fault {
    const results: Json[] = [];
    for (const item of items) {
      this.#variables[slot] = item;
      const value = this.#of(body);
      if (isFault(value)) return value;
      results.push(value);
    }
    return results;
  }
}

/** An own member of an object by its name, or an item of a list by its place. */
function memberOf(of: Json, key: Json): Json | undefined {
  if (typeof of !== "object" || of === null) return undefined;
  if (isJsonObject(of)) return typeof key === "string" && Object.hasOwn(of, key) ? of[key] : undefined;
  return typeof key === "number" ? of[key] : undefined;
}
