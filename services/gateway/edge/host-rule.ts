import { isIP } from "node:net";

/** By which names the installation may be asked. */
export interface HostRule {
  /** Whether a request with this `host` or `:authority` is ours; one without any comes from no browser. */
  readonly allows: (authority: string | undefined) => boolean;
}

/**
 * Keeps requests out that come by a name of somebody else's: a page of theirs,
 * whose name they let point to this machine, would reach a server on loopback
 * as if it were its own (DNS rebinding).
 *
 * This machine's own names are always allowed; bound wider than loopback any,
 * unless some are listed. `*.example.com` stands for every name below, `*` for
 * all. Ports do not matter.
 */
export function hostRule({
  boundTo,
  trusted,
}: {
  /** The address that the port listens at. */
  readonly boundTo: string;
  readonly trusted: readonly string[];
}): HostRule {
  if (trusted.includes("*") || (trusted.length === 0 && !isLoopback(boundTo))) return { allows: () => true };
  const names = trusted.map((name) => name.toLowerCase());
  return {
    allows: (authority) => {
      if (authority === undefined) return true;
      const host = hostOf(authority);
      return isLoopback(host) || names.some((name) => matches(name, host));
    },
  };
}

/** Whether a name or an address means this machine alone. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "localhost" || host.endsWith(".localhost") || host === "::1";
}

/** `[::1]:8000` → `::1`, `Example.COM.:80` → `example.com`. */
function hostOf(authority: string): string {
  const [, address, name = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(authority) ?? [];
  return (address ?? name).toLowerCase().replace(/\.$/, "");
}

function matches(name: string, host: string): boolean {
  return name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name;
}
