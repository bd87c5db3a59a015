import { isIP, isIPv4 } from "node:net";
import { z } from "zod";

/** What an operator lets calls reach although it is not public: a host by its name, or a network of addresses; on one port or on all. */
export type AllowedHost =
  | { readonly kind: "name"; readonly name: string; readonly port: number | undefined }
  | {
      readonly kind: "network";
      readonly address: string;
      readonly prefix: number;
      readonly port: number | undefined;
    };

/** Reads `host`, `host:port`, `address`, `address:port`, `[address]:port` or `address/prefix`; undefined when it is none of them. */
export function allowedHost(entry: string): AllowedHost | undefined {
  const [address = "", prefix, ...rest] = entry.split("/");
  if (prefix !== undefined) {
    const most = isIPv4(address) ? 32 : 128;
    if (rest.length > 0 || isIP(address) === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > most) return;
    return { kind: "network", address, prefix: Number(prefix), port: undefined };
  }
  if (isIP(entry) === 6) return { kind: "network", address: entry, prefix: 128, port: undefined };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(entry);
  if (match === null) return;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && port > 65_535) return;
  const [, inBrackets, name = ""] = match;
  if (inBrackets !== undefined) {
    return isIP(inBrackets) === 6 ? { kind: "network", address: inBrackets, prefix: 128, port } : undefined;
  }
  return isIPv4(name)
    ? { kind: "network", address: name, prefix: 32, port }
    : { kind: "name", name: comparableName(name), port };
}

/** Of a configuration: hosts and networks, with commas between them. */
export const allowedHosts = z.string().transform((list, context): AllowedHost[] => {
  const entries = list.split(",").map((entry) => entry.trim());
  return entries.flatMap((entry) => {
    if (entry === "") return [];
    const host = allowedHost(entry);
    if (host !== undefined) return [host];
    context.addIssue({
      code: "custom",
      message: "has an entry that is neither a host, host:port nor address/prefix",
    });
    return [];
  });
});

/** A host's name without what makes no difference to where it leads. */
export function comparableName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
