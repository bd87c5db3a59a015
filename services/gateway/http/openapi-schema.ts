import { z } from "zod";

/** A JSON Schema (2020-12), as OpenAPI 3.1 has them. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Patterns of these say no more than their format, at length. */
const spelledOut = new Set(["date-time", "uuid", "uri", "email"]);

/** What a schema takes (`input`) or gives (`output`), as JSON Schema. What JSON can not say is left open. */
export function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined && spelledOut.has(jsonSchema.format)) delete jsonSchema.pattern;
      // These bounds are the number type's, not ours.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  // Which dialect they are in is the document's to say.
  delete json.$schema;
  return json;
}

/** A property of an object schema, by its name. */
export interface Property {
  readonly name: string;
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
}

/** The properties that an object schema takes; none of what is no object. */
export function propertiesOf(schema: z.ZodType | undefined): readonly Property[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchemaOf(schema, "input") as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    schema: property,
    isRequired: required.includes(name),
  }));
}
