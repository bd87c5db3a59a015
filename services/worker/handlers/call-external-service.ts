import type { OpenClient } from "../../../lib/outbound/call-client.ts";
import { type CallResponse, exchange, shown } from "../../../lib/outbound/exchange.ts";
import { errorStatus } from "../calls/error-status.ts";
import { maxOutputBytes, type Outcome } from "../outcome.ts";
import { callConfig, requestOf, secretsOf } from "./call-config.ts";
import { callOutput } from "./call-output.ts";
import type { CallStandIn } from "./call-stand-in.ts";
import type { LeasedHandler } from "./handler.ts";
import { handlerConfig } from "./handler-config.ts";

const maxRedirects = 5;

export interface CallExternalServiceNeeds {
  readonly openClient: OpenClient;
  /** Undefined where hosts that do not resolve are what they are: an error. */
  readonly standIn: CallStandIn | undefined;
}

/** Makes a call by HTTP. Under a lease, whatever the method, so that two workers never make the same call at once. */
export function callExternalService({ openClient, standIn }: CallExternalServiceNeeds): LeasedHandler {
  return {
    kind: "leased",
    slots: "call",
    run: async ({ assignment, signal, started }) => {
      const read = handlerConfig(callConfig, assignment.config);
      if (read.kind === "failed") return read;
      started();
      const request = requestOf(read.config);
      const simulated = await standIn?.(request, signal);
      if (simulated !== undefined) return simulated;
      const { timeout_ms: timeoutMs } = read.config;
      const options = {
        openClient,
        signal,
        timeoutMs,
        maxBytes: maxOutputBytes,
        maxRedirects,
        allowedBy: "HTTP_ALLOWED_HOSTS",
      };
      const response = await exchange(request, options);
      if (response.kind !== "answered") return response;
      if (response.status < 400) return outcomeOf(response);
      return errorStatus(response, { secrets: secretsOf(read.config), now: new Date() });
    },
  };
}

function outcomeOf(response: CallResponse): Outcome {
  const type = response.headers.get("content-type") ?? "";
  const isJson = /^[^;]*[/+]json\s*(;|$)/i.test(type);
  const data = isJson ? jsonText(response.text) : JSON.stringify(response.text);
  if (data === undefined) {
    const message = `the response to ${shown(response.request)} calls itself JSON and is not`;
    return { kind: "failed", reason: "RESPONSE_INVALID", message, nonRetryable: true };
  }
  const { status, headers, request } = response;
  const output = callOutput({ status, headers, data, url: request.url });
  if (output.length <= maxOutputBytes) return { kind: "completed", output };
  // What was within the bound as it came may be above it as JSON.
  const message = `the response to ${shown(request)} gives an output of more than ${maxOutputBytes} bytes`;
  return { kind: "failed", reason: "RESPONSE_TOO_LARGE", message, nonRetryable: true };
}

/** A text that is JSON, as it is, so that no number in it loses digits; `null` for none at all. */
function jsonText(text: string): string | undefined {
  const json = text.replace(/^\ufeff/, "");
  if (json.trim() === "") return "null";
  try {
    JSON.parse(json);
    return json;
  } catch {
    return undefined;
  }
}
