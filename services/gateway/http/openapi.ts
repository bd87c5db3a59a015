import { allScopes, type Scope } from "../../../lib/rpc/access.ts";
import { errorSchemas } from "./openapi-errors.ts";
import { operationOf, templateOf } from "./openapi-operation.ts";
import { withSharedSchemas } from "./openapi-shared-schemas.ts";
import { headerParameters } from "./request-headers.ts";
import type { HttpRoute } from "./route.ts";

const about = `The routes of the Waldiez runner and of two workflow engines, and what is new beside them.
Everything else is served by gRPC, gRPC-web, Connect and JSON on the same port.

Every answer has an \`X-Request-Id\`, which is the caller's own where it sent one. Requests that make a task, a workflow or a run take
an \`Idempotency-Key\` of at most 100 characters: a repeat with the same key makes nothing again and answers the same.
What is unavailable for the moment is answered with 503, what is too much at once with 429; both have \`Retry-After\`.`;

const scopes: Readonly<Record<Scope, string>> = {
  read: "look",
  write: "create, change, end and remove",
  answer: "answer prompts",
};

/** All routes as a document of OpenAPI 3.1. */
export function openApiDocument(routes: readonly HttpRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const template = templateOf(route.path);
    paths[template] = { ...paths[template], [route.method.toLowerCase()]: operationOf(route) };
  }
  const shared = withSharedSchemas(paths);
  return {
    openapi: "3.1.0",
    info: {
      title: "Antiphon",
      version,
      description: about,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths: shared.value,
    components: {
      schemas: { ...errorSchemas(), ...shared.schemas },
      parameters: headerParameters(),
      securitySchemes: {
        client: {
          type: "oauth2",
          description: "A client's id and secret are exchanged for a token.",
          flows: {
            clientCredentials: {
              tokenUrl: "/auth/token",
              refreshUrl: "/auth/token/refresh",
              scopes: Object.fromEntries(allScopes.map((scope) => [scope, scopes[scope]])),
            },
          },
        },
        bearer: { type: "http", scheme: "bearer", description: "A token that was issued before." },
      },
    },
  };
}
