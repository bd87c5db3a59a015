/** What another server answered. */
export interface JsonAnswer {
  readonly status: number;
  /** Undefined when it is no JSON. */
  readonly body: unknown;
}

/** What is asked for, and how. */
export interface JsonQuestion {
  /** Sent as JSON by POST; without it the question is a GET. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the whole answer may take. */
  readonly timeoutMs: number;
}

/** No answer that we ask for is larger. */
const maxAnswerBytes = 256 * 1024;

/**
 * Asks another server. A redirect is an answer like any other and not followed, so
 * nobody there decides whom else we talk to. Rejects when the answer is not whole
 * in time, and when it is larger than 256 KiB.
 */
export async function askJson(
  url: string | URL,
  { body, headers, timeoutMs }: JsonQuestion,
): Promise<JsonAnswer> {
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: { accept: "application/json", ...(body && { "content-type": "application/json" }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  return { status: response.status, body: parsed(await textOf(response)) };
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels what is left of the answer.
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new Error(`the answer is larger than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
