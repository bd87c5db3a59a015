import { z } from "zod";
import { jsonSchemaOf } from "./openapi-schema.ts";

/** The headers that say more about a request than the protocol does, with what each is good for. */
const headers = {
  "X-Request-Id": z
    .string()
    .regex(/^[\w.:-]{1,100}$/)
    .describe(
      "What the caller calls this request: echoed and logged. Another one is drawn when it is missing, or not of this form.",
    ),
  "Idempotency-Key": z
    .string()
    .max(100)
    .describe(
      "What is done under this key is done once: a repeat is answered with what was made the first time.",
    ),
  "If-Match": z
    .string()
    .describe("Entity tags, or `*`: it is changed only where one of them is that of what it is now."),
  "If-None-Match": z
    .string()
    .describe("Entity tags, or `*`: it is answered only where none of them is that of what it is now."),
  "Last-Event-ID": z
    .string()
    .describe("The `id` of the last event that the caller has: what comes behind it is sent."),
} as const;

type RequestHeader = keyof typeof headers;

/** A header that a route may honour. `X-Request-Id` is honoured everywhere. */
export type RouteHeader = Exclude<RequestHeader, "X-Request-Id">;

const parameterName = (header: RequestHeader): string => header.replaceAll("-", "");

/** Every header as a parameter of OpenAPI, by the name that it is referred to. */
export function headerParameters(): Readonly<Record<string, object>> {
  const entries = Object.entries(headers) as [RequestHeader, z.ZodType][];
  return Object.fromEntries(
    entries.map(([name, type]) => {
      const { description, ...schema } = jsonSchemaOf(type, "input");
      return [parameterName(name), { name, in: "header", required: false, description, schema }];
    }),
  );
}

/** What a route that honours these headers lists among its parameters. */
export function headerReferences(honoured: readonly RouteHeader[] = []): readonly object[] {
  const names: readonly RequestHeader[] = ["X-Request-Id", ...honoured];
  return names.map((name) => ({ $ref: `#/components/parameters/${parameterName(name)}` }));
}
