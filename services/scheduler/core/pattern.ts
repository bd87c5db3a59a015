/**
 * Regular expressions that strangers write, in the syntax of RE2: no backreferences and no looking around, so that a
 * match takes time linear in the text and in the expression, whatever both are.
 */
import { RE2JS } from "re2js";

/** How long an expression may be, in characters. */
const maxPatternLength = 1000;

/** How many instructions an expression may compile to; counted repetitions multiply them. */
const maxProgramSize = 1000;

/** A character takes about as long as a step of a condition or a schema, and as much again for each so many instructions. */
const instructionsPerStep = 64;

/** A compiled regular expression. */
export interface Pattern {
  /** Whether the expression matches anywhere in a text. */
  readonly isIn: (text: string) => boolean;
  /** How many steps looking for it in a text may take. */
  readonly stepsFor: (text: string) => number;
}

/** Compiles a regular expression; notations of JavaScript that RE2 writes otherwise (`\u0041`, `\/`, `(?<name>…)`) are understood. */
export function compilePattern(text: string): Pattern | { readonly fault: string } {
  if (text.length > maxPatternLength) return { fault: `is longer than ${maxPatternLength} characters` };
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(RE2JS.translateRegExp(text));
  } catch {
    return { fault: "is not a regular expression as RE2 has them" };
  }
  const size = expression.programSize();
  if (size > maxProgramSize) return { fault: `repeats too much: ${size} instructions of ${maxProgramSize}` };
  return {
    isIn: (where) => expression.test(where),
    stepsFor: (where) => where.length * (1 + size / instructionsPerStep),
  };
}
