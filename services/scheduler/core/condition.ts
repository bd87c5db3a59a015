/**
 * Conditions: when a node runs, in CEL, decided over the JSON values that a template would see.
 *
 *   A.count > 3 && !(A.status in ["late", "lost"])
 *   has(A.data.items) && A.data.items.exists(item, item.price < input.limit)
 *   nodes["a-b"].status == "failed" ? input.retry : true
 *
 * There is one kind of number, as in JSON: 5 == 5.0, 7 / 2 is 3.5, and int() cuts the fraction off. What is missing is
 * a fault, except for has(), which says whether a whole path leads to a value. As everywhere in CEL, `||` and `&&`
 * need only the operand that decides. Only own members are seen. What a condition may do is counted in steps and not
 * in time, so that its outcome is the same wherever and whenever it is decided.
 */
import { Evaluation, type StepBudget, stepBudget } from "./condition-evaluation.ts";
import type { Expression } from "./condition-expression.ts";
import { type ConditionReference, parseCondition } from "./condition-parser.ts";
import type { Scope } from "./template.ts";

/** A condition that can be decided. */
export interface Condition {
  /** As written. */
  readonly text: string;
  readonly expression: Expression;
}

/**
 * Compiles a condition of at most 4,096 characters. The names that it looks up come with it: `A`, `input`, `run`,
 * `item`, and `nodes` with the node, written `nodes.A` or `nodes["a-b"]`. The fault continues a sentence that begins
 * with the condition.
 */
export function compileCondition(
  text: string,
):
  | { readonly condition: Condition; readonly references: readonly ConditionReference[] }
  | { readonly fault: string } {
  const parsed = parseCondition(text);
  if ("fault" in parsed) return parsed;
  return { condition: { text, expression: parsed.expression }, references: parsed.references };
}

/** Decides a condition. Names are looked up as they are reached, each at most once. What it takes is taken off the budget. */
export function evaluate(
  condition: Condition,
  scope: Scope,
  budget: StepBudget = stepBudget(),
): { readonly value: boolean } | { readonly fault: string } {
  const result = new Evaluation(scope, budget).result(condition.expression);
  if ("fault" in result) return result;
  if (typeof result.value === "boolean") return { value: result.value };
  return { fault: `the result of ${condition.text.slice(0, 80)} is neither true nor false` };
}
