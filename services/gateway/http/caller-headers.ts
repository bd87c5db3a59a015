import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import { callerAddressHeader } from "../../../lib/rpc/tokens.ts";

/** What of a request goes along to the services behind: its name, where it came from, the trace that it belongs to, and the caller's token where there is one. */
export function callerHeaders(
  { headers }: Pick<ServerRequest, "headers">,
  { requestId, authorization }: { readonly requestId: string; readonly authorization: string | undefined },
): Headers {
  const passed = new Headers({ "x-request-id": requestId });
  for (const name of ["traceparent", callerAddressHeader]) {
    const value = headers[name];
    if (typeof value === "string") passed.set(name, value);
  }
  if (authorization !== undefined) passed.set("authorization", authorization);
  return passed;
}
