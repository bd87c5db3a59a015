import { Code, type ConnectError } from "@connectrpc/connect";

/**
 * Whether the connection failed and not the call: Connect says "aborted" or
 * "canceled" when a peer goes away in the middle, and "internal" with Node's
 * error as its cause for what it has no code for.
 */
export function isOutage({ code, cause, details }: ConnectError): boolean {
  // What a service says itself comes with its reason.
  if (details.length > 0) return false;
  if (code === Code.Internal) return cause instanceof Error && "code" in cause;
  return code === Code.Unavailable || code === Code.Aborted || code === Code.Canceled;
}
