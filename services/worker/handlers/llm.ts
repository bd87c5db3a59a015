import { z } from "zod";
import type { Secret } from "../../../lib/config/env.ts";
import { type OpenClient, trustedClient } from "../../../lib/outbound/call-client.ts";
import { type CallRequest, exchange } from "../../../lib/outbound/exchange.ts";
import { errorStatus, withoutSecrets } from "../calls/error-status.ts";
import { type Failure, maxOutputBytes, type Outcome } from "../outcome.ts";
import type { LeasedHandler } from "./handler.ts";
import { configInvalid, handlerConfig } from "./handler-config.ts";
import { chatOf, type LlmRequest, llmConfig } from "./llm-config.ts";
import { echoAnswer } from "./llm-echo.ts";

/** Where an operator's models answer: an endpoint of the form that OpenAI's chat completions have. */
export interface LlmSettings {
  /** Up to, and without, `/chat/completions`. */
  readonly baseUrl: string;
  /** Undefined for an endpoint that wants none. It is in no output, failure or log. */
  readonly apiKey: Secret | undefined;
  /** For nodes that name none. */
  readonly model: string | undefined;
  readonly timeoutMs: number;
}

/** What answers the questions of `llm` nodes: an endpoint, a stand-in that repeats them, or nothing. */
export type LlmBackend = LlmSettings | "echo" | "none";

/** Asks a language model. Under a lease: an answer costs money. */
export function llm(backend: LlmBackend): LeasedHandler {
  return {
    kind: "leased",
    slots: "call",
    run: async ({ assignment, signal, started }) => {
      const read = handlerConfig(llmConfig, assignment.config);
      if (read.kind === "failed") return read;
      if (backend === "none") return notConfigured;
      started();
      return backend === "echo" ? echoAnswer(read.config) : await ask(read.config, backend, signal);
    },
  };
}

const notConfigured: Failure = {
  kind: "failed",
  reason: "LLM_NOT_CONFIGURED",
  message:
    "no language model is set up; an operator sets LLM_BASE_URL, LLM_API_KEY and LLM_MODEL on the workers",
  nonRetryable: true,
};

/** What is read of a chat completion; endpoints add much else. */
const completion = z.object({
  model: z.string().optional(),
  choices: z
    .array(z.object({ message: z.object({ content: z.string() }), finish_reason: z.string().nullish() }))
    .min(1),
  usage: z.record(z.string(), z.unknown()).nullish(),
});

async function ask(asked: LlmRequest, settings: LlmSettings, signal: AbortSignal): Promise<Outcome> {
  const model = asked.model ?? settings.model;
  if (model === undefined) return configInvalid(["model: is required, for the operator set no LLM_MODEL"]);
  const key = settings.apiKey?.();
  const openClient: OpenClient = trustedClient;
  const { timeoutMs } = settings;
  const response = await exchange(requestOf(asked, { ...settings, model, key }), {
    openClient,
    signal,
    timeoutMs,
    maxBytes: maxOutputBytes,
    // The key goes to the endpoint that the operator named, and nowhere else.
    maxRedirects: 0,
    // Whatever the operator named is trusted.
    allowedBy: "LLM_BASE_URL",
  });
  if (response.kind !== "answered") return response;
  const secrets = key === undefined ? [] : [key];
  if (response.status >= 300) return errorStatus(response, { secrets, now: new Date() });
  return answerOf(withoutSecrets(response.text, secrets), { model, isJson: asked.json });
}

function requestOf(
  asked: LlmRequest,
  {
    baseUrl,
    model,
    key,
  }: { readonly baseUrl: string; readonly model: string; readonly key: string | undefined },
): CallRequest {
  const { temperature, max_tokens, json } = asked;
  return {
    method: "POST",
    url: new URL(`${baseUrl.replace(/\/+$/, "")}/chat/completions`),
    headers: {
      "content-type": "application/json",
      accept: "application/json",
      "user-agent": "antiphon",
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify({
      model,
      messages: chatOf(asked),
      temperature,
      max_tokens,
      ...(json && { response_format: { type: "json_object" } }),
    }),
  };
}

/** The output of a completion. What is not understood may be otherwise the next time that a model is asked. */
function answerOf(
  text: string,
  { model, isJson }: { readonly model: string; readonly isJson: boolean },
): Outcome {
  const read = completion.safeParse(jsonOf(text));
  const [choice] = read.data?.choices ?? [];
  if (choice === undefined) return invalid("the endpoint's response is not a chat completion with a text");
  const { content } = choice.message;
  const answer = isJson ? jsonOf(content) : content;
  if (answer === undefined) return invalid("the model's answer is not JSON");
  const output = {
    answer,
    model: read.data?.model ?? model,
    finish_reason: choice.finish_reason ?? null,
    usage: read.data?.usage ?? null,
  };
  return { kind: "completed", output: Buffer.from(JSON.stringify(output)) };
}

function invalid(message: string): Failure {
  return { kind: "failed", reason: "RESPONSE_INVALID", message };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
