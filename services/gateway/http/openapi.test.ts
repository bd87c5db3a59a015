import { Validator } from "@cfworker/json-schema";
import { describe, expect, test } from "vitest";
import { readSettings } from "../config.ts";
import { openApiDocument } from "./openapi.ts";
import { templateOf } from "./openapi-operation.ts";
import { routeTable } from "./route-table.ts";

const routes = routeTable({ behind: [], fetchKeys: async () => ({ keys: [] }), settings: readSettings({}) });

interface Parameter {
  readonly name: string;
  readonly in: string;
}

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly (Parameter | { readonly $ref: string })[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

const document = JSON.parse(JSON.stringify(openApiDocument(routes, "1.2.3"))) as {
  readonly info: { readonly version: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: object;
    readonly parameters: Readonly<Record<string, Parameter>>;
    readonly securitySchemes: {
      readonly client: { readonly flows: { readonly clientCredentials: { readonly scopes: object } } };
    };
  };
};

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** The parameters that an operation has in a place, by name. */
function parametersIn(place: string, { parameters }: Operation): string[] {
  const all = parameters.map((parameter) => {
    if (!("$ref" in parameter)) return parameter;
    const found = document.components.parameters[parameter.$ref.replace("#/components/parameters/", "")];
    if (found === undefined) throw new Error(`${parameter.$ref} is not there`);
    return found;
  });
  return all.filter((parameter) => parameter.in === place).map(({ name }) => name);
}

describe("the description of the HTTP routes", () => {
  test("has every route, and nothing else", () => {
    const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(described.toSorted()).toEqual(
      routes.map(({ method, path }) => `${method} ${templateOf(path)}`).toSorted(),
    );
    expect(described).toContain("GET /api/openapi.json");
    expect(document.info.version).toBe("1.2.3");
  });

  test("names each operation for generated clients, once", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z]+(_\w+)*$/);
  });

  test("lists each operation in a group that it names, with a line that says what it does", () => {
    const groups = document.tags.map(({ name }) => name);
    for (const { operation } of operations) {
      expect(groups).toEqual(expect.arrayContaining([...operation.tags]));
      expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
    }
  });

  test("describes the parameters of each path, and no others in it", () => {
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parametersIn("path", operation)).toEqual(named);
    }
  });

  test("names the headers that each operation honours: everywhere the request's id, and a tag where one decides", () => {
    for (const { path, method, operation } of operations) {
      const headers = parametersIn("header", operation);
      const at = `${method} ${path}`;
      expect(headers, at).toContain("X-Request-Id");
      expect(headers.includes("If-None-Match"), at).toBe("304" in operation.responses);
      expect(headers.includes("If-Match"), at).toBe("412" in operation.responses);
    }
    const having = (header: string) =>
      operations
        .filter(({ operation }) => parametersIn("header", operation).includes(header))
        .map(({ method, path }) => `${method} ${path}`)
        .toSorted();
    expect(having("Last-Event-ID")).toEqual(["get /api/v1/tasks/{task_id}/events"]);
    expect(having("Idempotency-Key")).toEqual([
      "post /api/v1/tasks",
      "post /api/workflow",
      "post /api/workflow/trigger/{execution_id}",
      "post /workflow",
    ]);
  });

  test("asks for a scope that there is, or for nothing where anybody may call", () => {
    const { scopes } = document.components.securitySchemes.client.flows.clientCredentials;
    for (const route of routes) {
      const operation = document.paths[templateOf(route.path)]?.[route.method.toLowerCase()];
      const asked = operation?.security.flatMap(({ client = [] }) => client) ?? [];
      expect(Object.keys(scopes)).toEqual(expect.arrayContaining([...asked]));
      const isOpen = operation?.security.length === 0;
      expect(isOpen, route.path).toBe(route.access === "open");
      const isOptional = operation?.security.some((one) => Object.keys(one).length === 0);
      expect(isOptional, route.path).toBe(route.anonymous !== undefined);
    }
  });

  test("has a good answer for each operation, what any refusal looks like, and no schema that is none", () => {
    for (const { operation } of operations) {
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => status < "400" || status === "101")).toBe(true);
      expect(operation.responses["default"]).toBeDefined();
    }
    const found = schemasIn(document);
    expect(found.length).toBeGreaterThan(100);
    for (const schema of found) {
      const whole = { components: document.components, ...schema };
      expect(() => new Validator(whole, "2020-12").validate({})).not.toThrow();
    }
  });

  test("refers only to what it has", () => {
    const names = Object.keys(document.components.schemas);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(0);
    for (const [, name] of references) expect(names).toContain(name);
    expect(JSON.stringify(document).includes("$defs")).toBe(false);
  });

  test("says nothing of routes that are switched off", () => {
    const settings = readSettings({ API_ENABLE_DOCS: "false", API_STR: "/v2/" });
    const paths = routeTable({ behind: [], fetchKeys: async () => ({}), settings }).map(({ path }) => path);
    expect(paths.filter((path) => /docs|openapi/.test(path))).toEqual([]);
    expect(paths).toContain("/v2/workflows/:instance_id");
  });
});

/** Every JSON Schema in a document. */
function schemasIn(value: unknown): object[] {
  if (typeof value !== "object" || value === null) return [];
  const own =
    "schema" in value && typeof value.schema === "object" && value.schema !== null ? [value.schema] : [];
  return [...own, ...Object.values(value).flatMap(schemasIn)];
}
