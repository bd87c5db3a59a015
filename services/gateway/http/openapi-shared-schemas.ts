import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "./openapi-schema.ts";

/**
 * A copy of a value in which every schema that has a name refers to one place
 * for it, and what stands there. Throws a TypeError when a name stands for two
 * different schemas.
 */
export function withSharedSchemas(value: unknown): {
  readonly value: unknown;
  readonly schemas: Readonly<Record<string, JsonSchema>>;
} {
  const schemas: Record<string, JsonSchema> = {};
  const share = (name: string, schema: JsonSchema): void => {
    if (schemas[name] !== undefined && !isDeepStrictEqual(schemas[name], schema)) {
      throw new TypeError(`there are two schemas with the name ${name}`);
    }
    schemas[name] = schema;
  };
  const copied = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(copied);
    if (typeof part !== "object" || part === null) return part;
    const { $defs = {}, ...rest } = part as { readonly $defs?: Readonly<Record<string, unknown>> };
    for (const [name, schema] of Object.entries($defs)) share(name, copied(schema) as JsonSchema);
    return Object.fromEntries(
      Object.entries(rest).map(([key, child]) => [
        key,
        key === "$ref" ? String(child).replace(/^#\/\$defs\//, "#/components/schemas/") : copied(child),
      ]),
    );
  };
  return { value: copied(value), schemas };
}
