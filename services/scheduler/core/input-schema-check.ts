/**
 * One check of an input against its schema, and how it keeps within bounds.
 *
 *   K1. Every schema applied, and every member or character it makes one look at, costs steps; when they are used up the
 *       check ends. Neither alternatives that multiply nor references that lead back to themselves take it further.
 *   K2. Faults within an alternative are not faults of the input: they are kept only outside of `quietly`.
 */
import { isJsonObject, type Json } from "./json.ts";

/** How many steps one check may take: about a tenth of a second; enough for some hundred thousand values. */
const maxSteps = 2_000_000;

/** How many faults are told. */
const maxFaults = 20;

/** How many schemas may be applied within another, in depth: inputs are at most 100 deep. */
const maxDepth = 1000;

/** Something wrong with an input or a schema: where, as `.items[2].name`, and what, to be read after it. */
export interface SchemaFault {
  readonly at: string;
  readonly message: string;
}

/** Where in the input or in the schema: undefined at its root. */
export type Place = { readonly above: Place; readonly step: string | number } | undefined;

/** Names of members and places of items that a schema has looked at, where unevaluated ones matter; else undefined. */
export type Seen = Set<string | number> | undefined;

/** Whether a value is as one keyword wants it. */
export type KeywordCheck = (value: Json, place: Place, checking: Checking, seen: Seen) => boolean;

/** A schema taken apart, filled in once all its parts are known: references may lead in circles. */
export interface SchemaNode {
  readonly checks: KeywordCheck[];
}

/** Unwinds a check that has used up its steps. */
class Exhausted extends Error {}

/** One check in progress. */
export class Checking {
  readonly faults: SchemaFault[] = [];
  readonly #tracks: boolean;
  #steps = maxSteps;
  #depth = 0;
  #quiet = 0;

  /** `tracks` says whether the schema asks anywhere for what is unevaluated. */
  constructor(tracks: boolean) {
    this.#tracks = tracks;
  }

  /** Checks a whole input, and answers what is wrong with it. */
  run(node: SchemaNode, input: Json): readonly SchemaFault[] {
    try {
      this.below(node, input, undefined);
      return this.faults;
    } catch (error) {
      if (!(error instanceof Exhausted)) throw error;
      return [{ at: "", message: error.message }];
    }
  }

  spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw new Exhausted(`takes more than ${maxSteps} steps to check`);
  }

  /** Says that a value is not as it should be. */
  fault(place: Place, message: string): false {
    if (this.#quiet === 0 && this.faults.length < maxFaults) this.faults.push({ at: pathOf(place), message });
    return false;
  }

  /** Checks without telling faults. */
  quietly(check: () => boolean): boolean {
    this.#quiet++;
    const holds = check();
    this.#quiet--;
    return holds;
  }

  /** Applies a schema to a value further down in the input. */
  below(node: SchemaNode, value: Json, place: Place): boolean {
    return this.#apply(node, value, place, this.#tracks ? new Set() : undefined);
  }

  /** Applies a further schema to the same value; what it has looked at counts when it holds. */
  inPlace(node: SchemaNode, value: Json, place: Place, seen: Seen): boolean {
    const own: Seen = seen === undefined ? undefined : new Set();
    const holds = this.#apply(node, value, place, own);
    if (holds && own !== undefined) {
      this.spend(own.size);
      for (const step of own) seen?.add(step);
    }
    return holds;
  }

  #apply(node: SchemaNode, value: Json, place: Place, seen: Seen): boolean {
    this.spend(1 + node.checks.length);
    if (++this.#depth > maxDepth) throw new Exhausted(`leads through more than ${maxDepth} schemas at once`);
    let holds = true;
    for (const check of node.checks) holds = check(value, place, this, seen) && holds;
    this.#depth--;
    return holds;
  }
}

const plainName = /^[A-Za-z_$][A-Za-z0-9_$-]*$/;

/** Writes a place: `.items[2].name`, with names that are not plain as `["a b"]`. */
export function pathOf(place: Place): string {
  const steps: string[] = [];
  for (let here = place; here !== undefined; here = here.above) {
    const { step } = here;
    if (typeof step === "number") steps.push(`[${step}]`);
    else steps.push(plainName.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`);
  }
  return steps.reverse().join("");
}

/** How many characters take about as long as one step, where they are only looked at. */
export const charactersPerStep = 16;

/** Writes a value so that equal values, and only those, are written alike. */
export function canonical(value: Json, spend: (steps: number) => void = () => undefined): string {
  spend(1 + (typeof value === "string" ? value.length / charactersPerStep : 0));
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (!isJsonObject(value)) return `[${value.map((item) => canonical(item, spend)).join()}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => {
      spend(key.length / charactersPerStep);
      return `${JSON.stringify(key)}:${canonical(value[key] ?? null, spend)}`;
    });
  return `{${members.join()}}`;
}
