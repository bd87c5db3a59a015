import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Antiphon, root } from "./antiphon-processes.ts";
import { describedBy } from "./described-http.ts";

/** A task as the routes of the Waldiez runner answer it. */
export interface WaldiezTask {
  readonly id: string;
  readonly client_id: string;
  readonly flow_id: string;
  readonly filename: string;
  readonly status: string;
  readonly input_timeout: number;
  readonly input_request_id: string | null;
  readonly results: unknown;
  readonly schedule_type: string | null;
  readonly cron_expression: string | null;
  readonly scheduled_time: string | null;
}

/** What came back, its body read. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** Undefined when it is no JSON. */
  // Answers are walked by tests that know their shapes.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any;
}

type SentBody = string | FormData | URLSearchParams;

/** Something with a token that calls the routes as clients of the Waldiez runner do. */
export type Calls = (
  method: string,
  path: string,
  body?: SentBody,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answered>;

/** A flow that needs no model: two agents, of which one asks its user. */
export const chatFlow = async (): Promise<Buffer> => await readFile(join(root, "examples/chat.waldiez"));

/** Whoever bears a token. What is answered otherwise than the server describes throws. */
export function callsWith(url: string, token: string | undefined): Calls {
  return async (method, path, body, headers = {}) => {
    const isJson = typeof body === "string" && !("content-type" in headers);
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(isJson && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    const check = await describedBy(url);
    check({ method, path, status: answer.status, headers: answer.headers, bytes });
    return { status: answer.status, headers: answer.headers, bytes, json: jsonIn(bytes) };
  };
}

/** The first client that the server made for an audience. */
export async function clientFor(antiphon: Antiphon, audience: string): Promise<Calls> {
  const client = antiphon.clients.find((one) => one.audience === audience);
  if (client === undefined) throw new Error(`there is no client for ${audience}`);
  return callsWith(antiphon.url, await tokenOf(antiphon.url, client));
}

/** A token, as every client of the Waldiez runner gets it. */
export async function tokenOf(
  url: string,
  { client_id, client_secret }: { readonly client_id: string; readonly client_secret: string },
): Promise<string> {
  const body = new URLSearchParams({ client_id, client_secret });
  const answer = await fetch(`${url}/auth/token`, { method: "POST", body });
  const tokens = (await answer.json()) as { readonly access_token?: string };
  if (tokens.access_token === undefined) throw new Error(`no token: ${answer.status}`);
  return tokens.access_token;
}

/** A form with a flow, as it is submitted. */
export function flowForm(
  content: string | Buffer,
  { name = "flow.waldiez", ...fields }: Readonly<Record<string, string>> = {},
): FormData {
  const form = new FormData();
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  form.set("file", new Blob([new Uint8Array(bytes)], { type: "application/octet-stream" }), name);
  for (const [field, value] of Object.entries(fields)) form.set(field, value);
  return form;
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
