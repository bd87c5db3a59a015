import { BlockList, isIP } from "node:net";
import { type AllowedHost, comparableName } from "./allowed-host.ts";

/** IPv4 that is not the public internet (IANA's special-purpose registry), and what clouds answer their machines at. */
const refused4: readonly [network: string, prefix: number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
  // Azure's platform, which hands out credentials at a public address.
  ["168.63.129.16", 32],
];

/** All that is public in IPv6. Loopback, local, mapped and translated (NAT64) addresses are outside of it. */
const global6: readonly [network: string, prefix: number] = ["2000::", 3];

/** What is not the public internet in it, or leads to an IPv4 address that nobody checks: Teredo, 6to4. */
const refused6: readonly [network: string, prefix: number][] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const refused = new BlockList();
for (const [network, prefix] of refused4) refused.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of refused6) refused.addSubnet(network, prefix, "ipv6");
const global = new BlockList();
global.addSubnet(...global6, "ipv6");

/** Says which addresses a call may connect to: public ones, and what the operator allows. */
export class AddressPolicy {
  readonly #allowed: readonly AllowedHost[];

  constructor(allowed: readonly AllowedHost[]) {
    this.#allowed = allowed;
  }

  /** Whether a call to `host` (a name, or an address without brackets) may connect to `address`. */
  allows({
    host,
    port,
    address,
  }: {
    readonly host: string;
    readonly port: number;
    readonly address: string;
  }): boolean {
    const name = comparableName(host);
    // A link-local address may name its interface.
    const [plain = ""] = address.split("%");
    return (
      isPublic(plain) ||
      this.#allowed.some((allowed) => {
        if (allowed.port !== undefined && allowed.port !== port) return false;
        return allowed.kind === "name" ? allowed.name === name : isWithin(allowed, plain);
      })
    );
  }
}

function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refused.check(address, "ipv4");
    case 6:
      return global.check(address, "ipv6") && !refused.check(address, "ipv6");
    default:
      return false;
  }
}

function isWithin(
  { address: network, prefix }: { readonly address: string; readonly prefix: number },
  address: string,
): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const allowed = new BlockList();
  allowed.addSubnet(network, prefix, isIP(network) === 4 ? "ipv4" : "ipv6");
  return allowed.check(address, family === 4 ? "ipv4" : "ipv6");
}
