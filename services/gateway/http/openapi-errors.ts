import { z } from "zod";
import { type JsonSchema, jsonSchemaOf } from "./openapi-schema.ts";
import type { ErrorStyle } from "./route.ts";

const reason = z.string().describe("Why, as `ErrorReason` of the contract names it: `TASK_NOT_FOUND`.");

/** What refusals look like, by name. */
const errors = {
  Refusal: z.object({ detail: z.string(), reason: reason.optional() }),
  FieldRefusals: z.object({
    detail: z.array(
      z.object({
        type: z.string(),
        loc: z.array(z.union([z.string(), z.int()])),
        msg: z.string(),
        input: z.unknown(),
      }),
    ),
    reason: reason.optional(),
  }),
  Problem: z.object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().describe("As `X-Request-Id`."),
    reason: reason.optional(),
    errors: z
      .array(z.object({ path: z.string(), reason: z.string(), message: z.string() }))
      .optional()
      .describe("What is wrong with which field."),
  }),
  OAuthError: z.object({
    error: z.string(),
    error_description: z.string(),
    detail: z.string(),
    reason: reason.optional(),
  }),
} satisfies Readonly<Record<string, z.ZodType>>;

type ErrorName = keyof typeof errors;

const errorNames: Readonly<Record<ErrorStyle, (status: number) => ErrorName>> = {
  waldiez: (status) => (status === 422 ? "FieldRefusals" : "Refusal"),
  problem: () => "Problem",
  oauth: () => "OAuthError",
};

/** The schemas that `errorContent` refers to. */
export function errorSchemas(): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(
    Object.entries(errors).map(([name, schema]) => [name, jsonSchemaOf(schema, "output")]),
  );
}

/** The content of a refusal with a status, in a route's style. */
export function errorContent(style: ErrorStyle, status: number): object {
  const mediaType = style === "problem" ? "application/problem+json" : "application/json";
  return { [mediaType]: { schema: { $ref: `#/components/schemas/${errorNames[style](status)}` } } };
}
