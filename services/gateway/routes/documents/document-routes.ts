import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import packageJson from "../../../../package.json" with { type: "json" };
import { openApiDocument } from "../../http/openapi.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { answerContent, type Content, contentOf } from "./content.ts";
import { docsPage, pagePolicy, startScript } from "./docs-page.ts";

const tag = "Documentation";
const html = "text/html; charset=utf-8";
const script = "text/javascript; charset=utf-8";

/** The files of Swagger UI that the page loads, from the installed package: the page works without a network. */
const assets: Readonly<Record<string, { readonly url: string; readonly contentType: string }>> = {
  "swagger-ui.css": {
    url: import.meta.resolve("swagger-ui-dist/swagger-ui.css"),
    contentType: "text/css; charset=utf-8",
  },
  "swagger-ui-bundle.js": {
    url: import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js"),
    contentType: script,
  },
  "favicon-32x32.png": {
    url: import.meta.resolve("swagger-ui-dist/favicon-32x32.png"),
    contentType: "image/png",
  },
};

const fileNames = ["start.js", ...Object.keys(assets)] as const;

export interface DocumentNeeds {
  /** What the paths begin with; not empty. */
  readonly prefix: string;
  /** The routes that are described besides these. */
  readonly routes: readonly HttpRoute[];
}

/** The description of all routes (OpenAPI 3.1), and a page that shows it. */
export function documentRoutes({ prefix, routes }: DocumentNeeds): readonly HttpRoute[] {
  const documentPath = `${prefix}/openapi.json`;
  const pagePath = `${prefix}/docs`;
  const encoded = (text: string) => new TextEncoder().encode(text);
  const page = contentOf(encoded(docsPage(pagePath)), html);
  const start = contentOf(encoded(startScript(documentPath)), script);
  const document = once(async () => {
    const described = openApiDocument([...routes, ...own], packageJson.version);
    return contentOf(encoded(JSON.stringify(described)), "application/json");
  });
  const files = new Map<string, () => Promise<Content>>([["start.js", async () => start]]);
  for (const [name, { url, contentType }] of Object.entries(assets)) {
    files.set(
      name,
      once(async () => contentOf(await readFile(fileURLToPath(url)), contentType)),
    );
  }
  const unchanged = { 304: { description: "The caller has it, as `If-None-Match` says." } };
  const own: readonly HttpRoute[] = [
    httpRoute({
      method: "GET",
      path: documentPath,
      access: "open",
      tag,
      summary: "Describes all HTTP routes by OpenAPI 3.1",
      style: "problem",
      headers: ["If-None-Match"],
      responses: {
        200: { description: "The description.", schema: z.looseObject({ openapi: z.literal("3.1.0") }) },
        ...unchanged,
      },
      handle: async ({ headers }) => answerContent(await document(), headers),
    }),
    httpRoute({
      method: "GET",
      path: pagePath,
      access: "open",
      tag,
      summary: "Shows the description, and lets people try the routes",
      style: "problem",
      headers: ["If-None-Match"],
      responses: {
        200: { description: "A page for browsers.", schema: z.string(), contentType: "text/html" },
        ...unchanged,
      },
      handle: async ({ headers }) => answerContent(page, headers, { "content-security-policy": pagePolicy }),
    }),
    httpRoute({
      method: "GET",
      path: `${pagePath}/:file`,
      access: "open",
      tag,
      summary: "Answers a file that the page is made of",
      style: "problem",
      params: z.object({ file: z.enum(fileNames) }),
      headers: ["If-None-Match"],
      responses: { 200: { description: "The file.", contentType: "*/*" }, ...unchanged },
      async handle({ params, headers }) {
        const content = files.get(params.file);
        if (content === undefined) throw new TypeError(`no file ${params.file}`);
        return answerContent(await content(), headers);
      },
    }),
  ];
  return own;
}

/** What is made when it is first asked for, and kept; made again when that failed. */
function once<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
