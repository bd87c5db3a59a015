import { type Schema, Validator } from "@cfworker/json-schema";

/** What came back, its body read. */
interface Answer {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** Throws when an answer is not as the server describes it. */
export type CheckAnswer = (answer: Answer) => void;

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

const checks = new Map<string, Promise<CheckAnswer>>();

/** Holds answers of a server to its own description at `/api/openapi.json`. */
export function describedBy(url: string): Promise<CheckAnswer> {
  const known = checks.get(url) ?? fetchCheck(url);
  checks.set(url, known);
  return known;
}

async function fetchCheck(url: string): Promise<CheckAnswer> {
  const answer = await fetch(`${url}/api/openapi.json`);
  const document = (await answer.json()) as Document;
  return (answer) => {
    const fault = faultOf(document, answer);
    if (fault !== undefined)
      throw new Error(`${answer.method} ${answer.path} answers ${answer.status}: ${fault}`);
  };
}

function faultOf(document: Document, { method, path, status, headers, bytes }: Answer): string | undefined {
  const operation = operationAt(document, method, path);
  // What is served nowhere is nowhere described.
  if (operation === undefined) {
    return isProcedure(path) || status === 404 || status === 405 ? undefined : "it is not described";
  }
  const described =
    operation.responses[status] ?? (status >= 400 ? operation.responses["default"] : undefined);
  if (described === undefined) return "the status is not described";
  if (bytes.length === 0) return described.content === undefined ? undefined : "the body is missing";
  const [mediaType = ""] = (headers.get("content-type") ?? "").split(";");
  const content = described.content?.[mediaType] ?? described.content?.["*/*"];
  if (content === undefined) return `a body of the type ${mediaType} is not described`;
  if (content.schema === undefined || !mediaType.endsWith("json")) return undefined;
  const whole = { components: document.components, ...content.schema };
  const sent: unknown = JSON.parse(Buffer.from(bytes).toString());
  const { valid, errors } = new Validator(whole, "2020-12").validate(sent);
  return valid ? undefined : `${JSON.stringify(sent)} is not as described: ${errors.at(-1)?.error}`;
}

/** Procedures are described by the contract. */
function isProcedure(path: string): boolean {
  return /^\/antiphon\.\w+\.v1\.\w+\/\w+$/.test(path);
}

/** The operation at a path: one that names it goes before one with parameters. */
function operationAt({ paths }: Document, method: string, path: string): Operation | undefined {
  const [asked = ""] = path.split("?");
  const bare = asked.replace(/(.)\/$/, "$1");
  const templates = Object.keys(paths).filter((template) => expressionOf(template).test(bare));
  const at = templates.toSorted((a, b) => a.split("{").length - b.split("{").length).map((one) => paths[one]);
  return at.map((methods) => methods?.[method.toLowerCase()]).find((operation) => operation !== undefined);
}

function expressionOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
}
