import { z } from "zod";
import type { CallRequest } from "../../../lib/outbound/exchange.ts";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** How the connection is used is not the caller's business. */
const headersOfConnection = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const header = z
  .union([z.string(), z.number(), z.boolean()], "must be a text")
  .transform(String)
  // What HTTP takes for a value: no line ends, and bytes only.
  .refine((value) => /^[\t\x20-\x7e\x80-\xff]{0,8192}$/.test(value), "is not the value of a header");

const url = z
  .string()
  .max(16_384)
  .transform((text) => URL.parse(text))
  .refine((url) => url !== null && /^https?:$/.test(url.protocol), "must be a URL of http or https")
  .transform((url) => url as URL);

/** The config of a `call_external_service` node. */
export const callConfig = z.strictObject({
  url,
  method: z
    .string()
    .transform((method) => method.toUpperCase())
    .pipe(z.enum(methods, `must be one of ${methods.join(", ")}`))
    .optional(),
  headers: z
    .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/, "is not the name of a header"), header)
    .refine((headers) => Object.keys(headers).length <= 100, "are more than 100")
    .superRefine((headers, context) => {
      for (const name of Object.keys(headers)) {
        if (headersOfConnection.has(name.toLowerCase()))
          context.addIssue({ code: "custom", path: [name], message: "can not be set" });
      }
    })
    .default({}),
  body: z.unknown().optional(),
  timeout_ms: z.int().min(1).max(600_000).default(30_000),
});

/** The request that a config describes. */
export function requestOf(config: z.output<typeof callConfig>): CallRequest {
  const { body } = config;
  const headers: Record<string, string> = { "user-agent": "antiphon" };
  if (body !== undefined && typeof body !== "string") headers["content-type"] = "application/json";
  const { username, password } = config.url;
  if (username !== "" || password !== "") {
    const credentials = Buffer.from(`${decoded(username)}:${decoded(password)}`);
    headers["authorization"] = `Basic ${credentials.toString("base64")}`;
  }
  for (const [name, value] of Object.entries(config.headers)) headers[name.toLowerCase()] = value;
  const plain = new URL(config.url);
  plain.username = "";
  plain.password = "";
  plain.hash = "";
  return {
    method: config.method ?? (body === undefined ? "GET" : "POST"),
    url: plain,
    headers,
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
  };
}

/** What a message must not repeat of a config: the values of its headers, whole and in parts, and the password of its URL. */
export function secretsOf(config: z.output<typeof callConfig>): readonly string[] {
  const values = Object.entries(requestOf(config).headers)
    .filter(([name]) => !/^(accept.*|content-type|user-agent)$/.test(name))
    .map(([, value]) => value);
  // `Bearer`, the names of cookies and the like are no secrets.
  const parts = values.flatMap((value) => value.split(/[\s;,=]+/)).filter((part) => part.length >= 8);
  const { password } = config.url;
  return [...values, ...parts, password, decoded(password)];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
