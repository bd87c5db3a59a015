import { errorContent } from "./openapi-errors.ts";
import { jsonSchemaOf, propertiesOf } from "./openapi-schema.ts";
import { mediaTypes } from "./read-call.ts";
import { headerReferences } from "./request-headers.ts";
import type { HttpRoute, RouteResponse } from "./route.ts";

/** A route as an operation of OpenAPI. */
export function operationOf(route: HttpRoute): object {
  const { summary, description, tag, access, body } = route;
  const about = [description, audienceText(route)].filter((text) => text !== undefined).join("\n\n");
  return {
    operationId: operationIdOf(route),
    tags: [tag],
    summary,
    ...(about !== "" && { description: about }),
    security: access === "open" ? [] : securityOf(route, access.scope),
    parameters: parametersOf(route),
    ...(body !== undefined && { requestBody: requestBodyOf(body) }),
    responses: responsesOf(route),
  };
}

/** A path with its parameters as OpenAPI writes them: `/tasks/{task_id}`. */
export function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)/g, "{$1}");
}

/** `GET /api/v1/tasks/:task_id` as `get_api_v1_tasks_task_id`: what generated clients call it. */
function operationIdOf({ method, path }: HttpRoute): string {
  const words = path.split(/\W+/).filter((word) => word !== "");
  return [method.toLowerCase(), ...words].join("_");
}

function audienceText({ access, anonymous }: HttpRoute): string | undefined {
  if (access === "open") return undefined;
  const audiences = access.audiences === "any" ? "any audience" : access.audiences.join(" or ");
  const local =
    anonymous === undefined
      ? ""
      : " Without a token the call is made as the local client's, where the server lets such calls in.";
  return `Needs a token for ${audiences}.${local}`;
}

function securityOf({ anonymous }: HttpRoute, scope: string): object[] {
  const scopes = scope === "none" ? [] : [scope];
  return [{ client: scopes }, { bearer: [] }, ...(anonymous === undefined ? [] : [{}])];
}

function parametersOf({ path, params, query, headers }: HttpRoute): object[] {
  const described = propertiesOf(params);
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: described.find((property) => property.name === name)?.schema ?? { type: "string" },
  }));
  const inQuery = propertiesOf(query).map(({ name, schema, isRequired }) => ({
    name,
    in: "query",
    required: isRequired,
    ...(typeof schema["description"] === "string" && { description: schema["description"] }),
    schema,
  }));
  return [...inPath, ...inQuery, ...headerReferences(headers)];
}

function requestBodyOf({ kinds, schema, optional }: NonNullable<HttpRoute["body"]>): object {
  const content = { schema: jsonSchemaOf(schema, "input") };
  return {
    required: optional !== true,
    content: Object.fromEntries(kinds.map((kind) => [mediaTypes[kind], content])),
  };
}

/** What the port answers before any route is looked for. */
const tooLong = {
  description: "The address and the headers have more than 16 KiB.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        properties: Object.fromEntries(
          ["code", "message", "detail", "reason"].map((name) => [name, { type: "string" }]),
        ),
        required: ["detail", "reason"],
      },
    },
  },
};

function responsesOf(route: HttpRoute): object {
  const { access, params, query, body, style, responses } = route;
  const isChecked = params !== undefined || query !== undefined || body !== undefined;
  // OAuth knows only 400 for a request that is not as it should be.
  const implied: Readonly<Record<number, RouteResponse>> = {
    ...(access !== "open" && {
      401: { description: "The token is missing, not good, or for another audience." },
      403: { description: "The token lacks the scope." },
    }),
    ...(isChecked && style !== "oauth" && { 422: { description: "Something is not of its form." } }),
  };
  const all = Object.entries({ ...implied, ...responses }).map(([status, response]) => [
    status,
    responseOf(route, Number(status), response),
  ]);
  const others = { description: "Any other refusal.", content: errorContent(style, 500) };
  return Object.fromEntries([...all, ["431", tooLong], ["default", others]]);
}

function responseOf(
  { style }: HttpRoute,
  status: number,
  { description, schema, contentType, otherTypes = {} }: RouteResponse,
) {
  if (schema === undefined && contentType === undefined) {
    return { description, ...(status >= 400 && { content: errorContent(style, status) }) };
  }
  const shown = schema === undefined ? {} : { schema: jsonSchemaOf(schema, "output") };
  const others = Object.entries(otherTypes).map(([mediaType, other]) => [
    mediaType,
    { schema: jsonSchemaOf(other, "output") },
  ]);
  return {
    description,
    content: { [contentType ?? "application/json"]: shown, ...Object.fromEntries(others) },
  };
}
