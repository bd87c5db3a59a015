import { describe, expect, test } from "vitest";
import type { Json } from "./json.ts";
import { compile, type Reference, resolve, type TemplateFault } from "./template.ts";

const outputs: Readonly<Record<string, Json>> = {
  A: { data: { items: [10, { deep: true }] }, name: "Ada", nothing: null, "two words": 2 },
  "dash-ed": "value",
  input: { x: [1, 2] },
};

function resolved(value: Json) {
  const found = { references: [] as Reference[], faults: [] as TemplateFault[] };
  const compiled = compile(value, found);
  expect(found.faults).toEqual([]);
  return resolve(compiled, (name) => (Object.hasOwn(outputs, name) ? outputs[name] : undefined));
}

function faultsOf(value: Json): string[] {
  const found = { references: [] as Reference[], faults: [] as TemplateFault[] };
  compile(value, found);
  return found.faults.map(({ at, message }) => `${at} ${message}`);
}

describe("a template", () => {
  test.each<[Json, Json]>([
    ["{{ A.data.items[0] }}", 10],
    ["{{A.data.items[1]}}", { deep: true }],
    ["{{ A.data.items[1].deep }}", true],
    ["{{ A }}", outputs["A"] ?? null],
    ["{{ dash-ed }}", "value"],
    ['{{ A["two words"] }}', 2],
    ["{{ A.nothing }}", null],
    ["{{ input.x }}", [1, 2]],
    ['{{ A.missing | default("y") }}', "y"],
    ['{{ A.missing | default({"a": [1]}) }}', { a: [1] }],
    ["{{ A.name | default(1) }}", "Ada"],
    ['{{ A.nothing | default("n") }}', "n"],
    ["{{ A.missing | default(null) }}", null],
  ])("that is a whole string gives the value with its type: %s", (template, value) => {
    expect(resolved(template)).toEqual({ value });
  });

  test.each<[string, string]>([
    ["Hello {{ A.name }}!", "Hello Ada!"],
    ["{{ A.name }}{{ A.name }}", "AdaAda"],
    ["n={{ A.data.items[0] }} o={{ A.data.items[1] }}", 'n=10 o={"deep":true}'],
    ['a {{ "{{" }} b', "a {{ b"],
  ])("within a string gives text: %s", (template, value) => {
    expect(resolved(template)).toEqual({ value });
  });

  test("within a URL is percent-encoded", () => {
    expect(resolved('http://host/{{ A["two words"] }}/{{ A.data.items[1] }}?q={{ A.name }}')).toEqual({
      value: "http://host/2/%7B%22deep%22%3Atrue%7D?q=Ada",
    });
  });

  test("that is opened a million times and closed never is one fault, and is read but once", () => {
    expect(faultsOf("{{".repeat(1_000_000))).toEqual([" is not closed"]);
  });

  test("can not make a config larger than its bound, however often it names an output", () => {
    const large = { kind: "large", text: "x".repeat(300_000) };
    const found = { references: [] as Reference[], faults: [] as TemplateFault[] };
    const name = (times: number): Json => Array.from({ length: times }, () => "{{ L }}");
    expect(resolve(compile(name(3), found), () => large)).toEqual({ value: [large, large, large] });
    expect(resolve(compile(name(4), found), () => large)).toEqual({
      fault: "with {{ L }} the config is larger than 1048576 characters",
    });
    expect(resolve(compile("{{ L }}-".repeat(4), found), () => large)).toHaveProperty("fault");
  });

  test("is replaced at any depth, and what holds none is left alone", () => {
    const value = { list: [1, "{{ A.name }}", { deep: ["x"] }], plain: "text" };
    expect(resolved(value)).toEqual({ value: { list: [1, "Ada", { deep: ["x"] }], plain: "text" } });
  });

  test.each([
    "{{ A.missing }}",
    "{{ A.name.length }}",
    "{{ A.data.items.length }}",
    "{{ A.constructor }}",
    "{{ A.__proto__ }}",
    "{{ B.x }}",
    "{{ A.data.items[7] }}",
  ])("without a value says which: %s", (template) => {
    expect(resolved(template)).toEqual({ fault: `${template} has no value` });
  });

  test("keeps a key called __proto__ a key", () => {
    const value = JSON.parse('{"__proto__": {"polluted": "{{ A.name }}"}}') as Json;
    const result = resolved(value);
    expect(JSON.stringify("value" in result ? result.value : undefined)).toBe(
      '{"__proto__":{"polluted":"Ada"}}',
    );
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test.each<[string, string]>([
    ["{{ }}", "does not begin with a name"],
    ["{{ A..x }}", 'has "..x" where a path or default(…) may stand'],
    ["{{ A.x + 1 }}", 'has "+ 1" where a path or default(…) may stand'],
    ["{{ A.x | upper }}", 'has "| upper" where a path or default(…) may stand'],
    ["{{ A.x | default(y) }}", "has a default that is not JSON"],
    ["{{ A.x", "is not closed"],
    ['{{ "open }}', "is not a text in double quotes"],
  ])("that is malformed is a fault: %s", (template, message) => {
    expect(faultsOf({ a: [template] })).toEqual([`.a[0] ${message}`]);
  });
});

// Pins a scheduler that ran out of memory: each of many nodes had a text of its own made of one large output.
test("a large value that many templates name is made a text once", () => {
  let written = 0;
  const large = {
    toJSON() {
      written += 1;
      return "x".repeat(1_000);
    },
  };
  const compiled = compile({ text: "all: {{ A }}", value: "{{ A }}" }, { references: [], faults: [] });
  for (let node = 0; node < 100; node += 1) resolve(compiled, () => large as never);
  expect(written).toBe(2);
});

test("a template puts no part into a URL that is too long for one", () => {
  const found = { references: [] as Reference[], faults: [] as TemplateFault[] };
  const long = resolve(compile("https://x/{{ A.long }}", found), () => ({ long: "x".repeat(8_193) }));
  expect(long).toEqual({ fault: "{{ A.long }} is longer than 8192 characters, too long for a URL" });
});
