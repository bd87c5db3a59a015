import { type CallResponse, shown } from "../../../lib/outbound/exchange.ts";
import type { Failure } from "../outcome.ts";
import { retryAfterMs } from "./retry-after.ts";

/** How much of a body a message shows, in characters. */
const excerptLength = 1_000;

/** Statuses below 500 that may be another in a while. */
const passing = new Set([408, 425, 429]);

/**
 * The failure that a status of 400 or above is: to be tried again, when the
 * server says, unless the fault is the request's. The message shows the
 * beginning of the body without `secrets`, which a server may have repeated.
 */
export function errorStatus(
  { status, headers, text, request }: CallResponse,
  { secrets, now }: { readonly secrets: readonly string[]; readonly now: Date },
): Failure {
  const excerpt = excerptOf(beginningWithoutSecrets(text, secrets));
  const message = `${shown(request)} was answered with ${status}${excerpt === "" ? "" : `: ${excerpt}`}`;
  const failed = { kind: "failed", reason: "HTTP_STATUS", message } as const;
  if (status < 500 && !passing.has(status)) return { ...failed, nonRetryable: true };
  const retryDelayMs = retryAfterMs(headers.get("retry-after"), now);
  return retryDelayMs === undefined ? failed : { ...failed, retryDelayMs };
}

/** A text in which every secret is replaced. What is shorter than a secret would be is left as it is. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) if (secret.length >= 6) clean = clean.replaceAll(secret, "[secret]");
  return clean;
}

/** The beginning of a text of any length, without secrets. */
function beginningWithoutSecrets(text: string, secrets: readonly string[]): string {
  const longest = secrets.reduce((most, { length }) => Math.max(most, length), 0);
  const end = 4 * excerptLength + longest;
  const clean = withoutSecrets(text.slice(0, end), secrets);
  // At the cut a part of a secret may stand.
  return text.length <= end ? clean : clean.slice(0, Math.max(0, clean.length - longest));
}

function excerptOf(text: string): string {
  const line = text
    .slice(0, 4 * excerptLength)
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim();
  return line.length > excerptLength ? `${line.slice(0, excerptLength)}…` : line;
}
