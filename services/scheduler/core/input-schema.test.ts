import { validate } from "@cfworker/json-schema";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileInputSchema, type InputSchema } from "./input-schema.ts";
import type { Json, JsonObject } from "./json.ts";

function compiled(schema: Json): InputSchema {
  const result = compileInputSchema(schema);
  if ("faults" in result) throw new Error(JSON.stringify(result.faults));
  return result;
}

/** Faults of an input, each in one line. */
function faultsOf(schema: Json, input: Json): string[] {
  return compiled(schema)
    .check(input)
    .map(({ at, message }) => `${at} ${message}`);
}

function draft7(schema: JsonObject): JsonObject {
  return { $schema: "http://json-schema.org/draft-07/schema#", ...schema };
}

const order: Json = {
  type: "object",
  required: ["customer", "items"],
  properties: {
    customer: { type: "string", minLength: 1, maxLength: 5 },
    items: { type: "array", minItems: 1, items: { $ref: "#/$defs/item" } },
    "due date": { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\d$" },
    speed: { enum: ["slow", "fast"] },
  },
  additionalProperties: false,
  $defs: {
    item: {
      type: "object",
      required: ["name"],
      properties: {
        name: { type: "string" },
        count: { type: "integer", minimum: 1, maximum: 9, multipleOf: 2 },
        size: { type: ["number", "null"], exclusiveMinimum: 0, exclusiveMaximum: 1 },
      },
    },
  },
};

describe("check", () => {
  test("has nothing to say about a valid input", () => {
    const items = [
      { name: "a", count: 2, size: null },
      { name: "b", size: 0.5, more: true },
    ];
    expect(faultsOf(order, { customer: "Ada", items, "due date": "2026-01-31", speed: "fast" })).toEqual([]);
  });

  test("names each fault with its path", () => {
    const items = [{}, { name: 1, count: 0.5 }, { name: "c", count: 11, size: 1 }, "x"];
    expect(faultsOf(order, { customer: "Ada Lovelace", items, "due date": "soon", speed: "", x: 1 })).toEqual(
      [
        ".customer has more characters than 5",
        ".items[0].name is missing",
        ".items[1].name is not a text",
        ".items[1].count is not a whole number",
        ".items[1].count is not a multiple of 2",
        ".items[1].count is less than 1",
        ".items[2].count is not a multiple of 2",
        ".items[2].count is more than 9",
        ".items[2].size is not less than 1",
        ".items[3] is not an object",
        '["due date"] does not match ^\\d{4}-\\d\\d-\\d\\d$',
        '.speed is not one of "slow", "fast"',
        ".x is not allowed",
      ],
    );
  });

  test.each<[Json, Json, string]>([
    [false, 1, " is not allowed"],
    [{ const: { a: [1] } }, { a: [2] }, ' is not {"a":[1]}'],
    [{ minLength: 2 }, "😀", " has fewer characters than 2"],
    [{ maxItems: 1 }, [1, 2], " has more items than 1"],
    [{ minProperties: 1 }, {}, " has fewer members than 1"],
    [{ maxProperties: 0 }, { a: 1 }, " has more members than 0"],
    [{ exclusiveMinimum: 3 }, 3, " is not more than 3"],
    [{ uniqueItems: true }, [{ a: 1, b: 2 }, 1, { b: 2, a: 1 }], " has equal items at 0 and 2"],
    [{ dependentRequired: { a: ["b"] } }, { a: 1 }, ".b is missing"],
    [{ anyOf: [{ type: "string" }, { type: "null" }] }, 1, " is none of what it may be"],
    [{ oneOf: [{ type: "number" }, { minimum: 1 }] }, 1, " is more than one of what it may be"],
    [{ not: { type: "number" } }, 1, " is what it may not be"],
    [{ if: { minimum: 5 }, else: { multipleOf: 2 } }, 3, " is not a multiple of 2"],
    [{ propertyNames: { maxLength: 1 } }, { ab: 1 }, ".ab has a name that is not allowed"],
    [{ contains: { type: "null" } }, [1], " contains 0 of the items of which it must have 1 or more"],
    [
      { contains: { type: "null" }, minContains: 0, maxContains: 1 },
      [null, null],
      " contains 2 of the items of which it must have 0 to 1",
    ],
    [
      { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      { a: 1, b: 2 },
      ".b is not allowed",
    ],
    [{ prefixItems: [true], unevaluatedItems: { type: "null" } }, [1, null, 2], "[2] is not null"],
  ])("says that by %j the input %j %s", (schema, input, fault) => {
    expect(faultsOf(schema, input)).toEqual([fault]);
  });

  test("takes decimal multiples for what they look like", () => {
    expect(faultsOf({ multipleOf: 0.1 }, 0.3)).toEqual([]);
    expect(faultsOf({ multipleOf: 0.0001 }, 0.0075)).toEqual([]);
    expect(faultsOf({ multipleOf: 1 }, 1_000_000_000_000.5)).toHaveLength(1);
    expect(faultsOf({ multipleOf: 1e-300 }, 1e300)).toHaveLength(1);
  });

  test("tells at most 20 faults", () => {
    expect(
      faultsOf(
        { items: { type: "null" } },
        Array.from({ length: 50 }, () => 1),
      ),
    ).toHaveLength(20);
  });

  test("neither fills defaults in nor takes a format for a condition", () => {
    const input = {};
    expect(faultsOf({ properties: { a: { default: 1 } } }, input)).toEqual([]);
    expect(input).toEqual({});
    expect(faultsOf({ format: "email" }, "nobody")).toEqual([]);
  });

  test("sees own members only", () => {
    expect(faultsOf({ required: ["constructor", "__proto__"] }, {})).toEqual([
      ".constructor is missing",
      ".__proto__ is missing",
    ]);
    const input = JSON.parse('{"__proto__": 1}') as Json;
    expect(faultsOf({ properties: { a: true }, additionalProperties: false }, input)).toEqual([
      ".__proto__ is not allowed",
    ]);
  });

  test("counts what every alternative that holds has looked at", () => {
    const either = { anyOf: [{ properties: { a: true } }, { properties: { b: true } }] };
    expect(faultsOf({ ...either, unevaluatedProperties: false }, { a: 1, b: 2 })).toEqual([]);
  });

  test("follows references to anchors, to itself and to where no schema was expected", () => {
    const tree = {
      properties: { children: { items: { $ref: "#" } }, name: { $ref: "#name" } },
      required: ["name"],
    };
    const schema = { ...tree, $defs: { a: { $anchor: "name", type: "string" } } };
    expect(faultsOf(schema, { name: "a", children: [{ name: "b", children: [{ name: 3 }] }, {}] })).toEqual([
      ".children[0].children[0].name is not a text",
      ".children[1].name is missing",
    ]);
    expect(faultsOf({ $ref: "#/x-own/a~1b%20c/0", "x-own": { "a/b c": [{ type: "null" }] } }, 1)).toEqual([
      " is not null",
    ]);
    expect(faultsOf({ $dynamicRef: "#t", $defs: { t: { $dynamicAnchor: "t", type: "null" } } }, 1)).toEqual([
      " is not null",
    ]);
  });

  test("understands what draft-07 says otherwise", () => {
    expect(faultsOf(draft7({ items: [{ type: "null" }], additionalItems: false }), [1, 2])).toEqual([
      "[0] is not null",
      "[1] is not allowed",
    ]);
    expect(faultsOf(draft7({ dependencies: { a: ["b"], c: { maxProperties: 1 } } }), { a: 1, c: 1 })).toEqual(
      [".b is missing", " has more members than 1"],
    );
    const beside = draft7({
      properties: { a: { $ref: "#/definitions/a", minimum: 5 } },
      definitions: { a: {} },
    });
    expect(faultsOf(beside, { a: 1 })).toEqual([]);
    expect(faultsOf(draft7({ unevaluatedProperties: false }), { a: 1 })).toEqual([]);
  });

  test.each<[string, Json]>([
    ["references that double", doubling(30)],
    ["a reference to itself", { $ref: "#" }],
    [
      "schemas that lead in a circle",
      { allOf: [{ $ref: "#/$defs/a" }], $defs: { a: { anyOf: [{ $ref: "#" }] } } },
    ],
    ["many schemas for many items", { items: { allOf: Array.from({ length: 2000 }, () => true) } }],
    ["unique and large items", { allOf: Array.from({ length: 500 }, () => ({ uniqueItems: true })) }],
    ["patterns over many names", { items: { patternProperties: { "(a?){200}b": true } } }],
  ])("gives up on %s", (_what, schema) => {
    const faults = compiled(schema).check(
      Array.from({ length: 5000 }, (_, index) => ({ ["a".repeat(5000)]: index })),
    );
    expect(faults).toEqual([{ at: "", message: expect.stringMatching(/^(takes|leads through) more than/) }]);
  });
});

describe("compileInputSchema", () => {
  test.each<[Json, string]>([
    [1, " is not a schema: an object, true or false"],
    [{ properties: { a: [] } }, ".properties.a is not a schema: an object, true or false"],
    [{ properties: [] }, ".properties is not an object of schemas"],
    [{ allOf: {} }, ".allOf is not a list of schemas"],
    [{ allOf: [] }, ".allOf is not a list of schemas"],
    [
      { items: { type: "text" } },
      ".items.type is not one of object, array, string, number, integer, boolean, null, or a list of them",
    ],
    [{ enum: 1 }, ".enum is not a list"],
    [{ minimum: "1" }, ".minimum is not a number"],
    [{ multipleOf: 0 }, ".multipleOf is not a number above zero"],
    [{ maxLength: -1 }, ".maxLength is not a whole number from zero"],
    [{ minContains: "a", contains: true }, ".minContains is not a whole number from zero"],
    [{ required: "a" }, ".required is not a list of texts"],
    [{ uniqueItems: 1 }, ".uniqueItems is not true or false"],
    [{ dependentRequired: { a: "b" } }, ".dependentRequired is not an object of lists of texts"],
    [{ pattern: 1 }, ".pattern is not a text"],
    [{ pattern: "(a)\\1" }, ".pattern is not a regular expression as RE2 has them"],
    [
      { patternProperties: { "(": true } },
      '.patternProperties["("] is not a regular expression as RE2 has them',
    ],
    [{ $ref: "https://example.com/schema" }, ".$ref does not lead within the document: it begins with #"],
    [{ $ref: 1 }, ".$ref does not lead within the document: it begins with #"],
    [{ $ref: "#/$defs/a" }, ".$ref leads nowhere: there is no such place in the schema"],
    [{ $ref: "#/%" }, ".$ref leads nowhere: there is no such place in the schema"],
    [{ $ref: "#/constructor" }, ".$ref leads nowhere: there is no such place in the schema"],
    [{ $ref: "#a" }, ".$ref leads nowhere: there is no such anchor"],
    [{ $defs: { a: { minimum: "1" } } }, ".$defs.a.minimum is not a number"],
    [{ items: { $id: "x" } }, ".items.$id stands below the root, where it would change what references mean"],
    [
      { $schema: "http://json-schema.org/draft-04/schema#" },
      ".$schema is neither draft 2020-12 nor draft-07",
    ],
    [{ title: "a".repeat(70_000) }, " is longer than 65536 characters"],
    [nested(101), " is nested deeper than 100 levels"],
    [draft7({ dependencies: [] }), ".dependencies is not an object"],
  ])("refuses %j", (schema, fault) => {
    const result = compileInputSchema(schema);
    expect("faults" in result ? result.faults.map(({ at, message }) => `${at} ${message}`) : []).toEqual([
      fault,
    ]);
  });

  test("names all faults of a schema", () => {
    const result = compileInputSchema({
      minimum: "1",
      properties: { a: 1, b: { pattern: "(" } },
      $ref: "#/x",
    });
    expect("faults" in result ? result.faults.map(({ at }) => at) : []).toEqual([
      ".minimum",
      ".properties.a",
      ".properties.b.pattern",
      ".$ref",
    ]);
  });

  test("looks at what is unevaluated without what a schema beside it has looked at", () => {
    const unevaluatedProperties = { type: ["object"] };
    const dependentSchemas = { a: { additionalProperties: true }, ab: { unevaluatedProperties } };
    expect(faultsOf({ dependentSchemas }, { ab: null, a: null })).not.toEqual([]);
    expect(faultsOf({ dependentSchemas }, { ab: {}, a: {} })).toEqual([]);
  });

  test("leaves alone what no draft defines", () => {
    expect(faultsOf({ title: "x", "ui:widget": { type: 5 }, examples: [1] }, 1)).toEqual([]);
  });

  test("never throws, whatever schema and input it is given", () => {
    fc.assert(
      fc.property(schemas(true), fc.jsonValue({ maxDepth: 3 }), (schema, input) => {
        const result = compileInputSchema(schema);
        const faults = "faults" in result ? result.faults : result.check(input as Json);
        expect(faults.length).toBeLessThan(1000);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["2020-12", false],
    ["draft-07", true],
  ])("finds valid what another validator finds valid, in draft %s", (_draft, isDraft7) => {
    fc.assert(
      fc.property(schemas(isDraft7), fc.array(inputs, { minLength: 5, maxLength: 5 }), (schema, values) => {
        fc.pre(!isMisjudged(schema));
        const ours = compiled(isDraft7 && typeof schema === "object" ? draft7(schema as JsonObject) : schema);
        for (const value of values) {
          const theirs = validate(value, schema as object, isDraft7 ? "7" : "2020-12", undefined, false);
          expect([value, ours.check(value).length === 0]).toEqual([value, theirs.valid]);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

function doubling(count: number): Json {
  const names = Array.from({ length: count }, (_, index) => index);
  const twice = (index: number) => [{ $ref: `#/$defs/a${index + 1}` }, { $ref: `#/$defs/a${index + 1}` }];
  const definitions = names.map((index) => [`a${index}`, { allOf: twice(index) }]);
  return { $ref: "#/$defs/a0", $defs: { ...Object.fromEntries(definitions), [`a${count}`]: true } };
}

function nested(depth: number): Json {
  return depth === 0 ? true : { not: nested(depth - 1) };
}

/** Whether the other validator may take what one schema has looked at for looked at by a schema beside it, which the draft does not. */
function isMisjudged(schema: Json): boolean {
  const text = JSON.stringify(schema);
  return text.includes('"dependentSchemas"') && text.includes('"unevaluated');
}

const names = fc.constantFrom("a", "b", "ab", "x y");

/** Few values, so that schemas and inputs meet. */
const { inputs } = fc.letrec<{ inputs: Json }>((tie) => ({
  inputs: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Json>(null, true, false, 0, 1, 2, 3.5, -4, "", "a", "ab", "😀b"),
    fc.array(tie("inputs"), { maxLength: 4 }),
    fc.dictionary(names, tie("inputs"), { maxKeys: 4 }).map((members) => ({ ...members })),
  ),
}));

/** Schemas of every keyword that both we and the other validator understand alike. */
function schemas(isDraft7: boolean): fc.Arbitrary<Json> {
  const small = fc.integer({ min: 0, max: 3 });
  const { schema } = fc.letrec<{ schema: Json }>((tie) => {
    const child = tie("schema");
    const children = fc.array(child, { minLength: 1, maxLength: 3 });
    const named = fc.dictionary(names, child, { maxKeys: 3 }).map((members) => ({ ...members }));
    const lists = fc.dictionary(names, fc.uniqueArray(names, { maxLength: 2 }), { maxKeys: 2 });
    const types = ["object", "array", "string", "number", "integer", "boolean", "null"];
    const others: Record<string, fc.Arbitrary<unknown>> = {
      type: fc.oneof(
        fc.constantFrom(...types),
        fc.uniqueArray(fc.constantFrom(...types), { minLength: 1, maxLength: 3 }),
      ),
      enum: fc.uniqueArray(inputs, {
        minLength: 1,
        maxLength: 3,
        comparator: (a, b) => JSON.stringify(a) === JSON.stringify(b),
      }),
      const: inputs,
      multipleOf: fc.constantFrom(1, 2, 0.5),
      minimum: small,
      maximum: small,
      exclusiveMinimum: small,
      exclusiveMaximum: small,
      minLength: small,
      maxLength: small,
      pattern: fc.constantFrom("^a", "b$", "."),
      minItems: small,
      maxItems: small,
      uniqueItems: fc.boolean(),
      minProperties: small,
      maxProperties: small,
      required: fc.uniqueArray(names, { maxLength: 2 }),
      allOf: children,
      anyOf: children,
      oneOf: children,
      not: child,
      if: child,
      else: child,
      properties: named,
      patternProperties: fc
        .dictionary(fc.constantFrom("^a", "b$"), child, { maxKeys: 2 })
        .map((members) => ({ ...members })),
      additionalProperties: child,
      propertyNames: child,
      contains: child,
      ...(isDraft7
        ? { items: fc.oneof(child, children), additionalItems: child, dependencies: fc.oneof(named, lists) }
        : {
            dependentRequired: lists,
            dependentSchemas: named,
            prefixItems: children,
            items: child,
            minContains: small,
            maxContains: small,
            unevaluatedItems: child,
            unevaluatedProperties: child,
          }),
    };
    const keywords = [...Object.entries(others), ["then", child] as const];
    // Few keywords at a time: else nothing is ever valid.
    const few = fc
      .uniqueArray(fc.constantFrom(...keywords), { minLength: 1, maxLength: 4 })
      .chain((kept) => fc.record(Object.fromEntries(kept)));
    return {
      schema: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.boolean(),
        few.map((members) => members as JsonObject),
      ),
    };
  });
  return schema;
}
