import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

/** Where one server listens: a unix socket, or a host and port. */
export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** What a connection URL says. */
export interface ServerAddress {
  /** Tried in this order; at least one. */
  readonly endpoints: readonly Endpoint[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `prefer` and `require` encrypt without checking who answers; options check it. */
  readonly tls: false | "prefer" | "require" | ConnectionOptions;
  /** From `connect_timeout` (seconds), if it is there and above zero. */
  readonly connectTimeoutMs: number | undefined;
  readonly applicationName: string | undefined;
}

const known = new Set([
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "sslrootcert",
  "connect_timeout",
  "application_name",
  "target_session_attrs",
]);

/**
 * Reads a connection URL the way libpq does:
 * `postgres://user:password@host1:5432,host2/database?sslmode=verify-full`, or
 * with a unix socket `postgres://user@/database?host=/folder`, where `port`
 * chooses among the sockets of the folder.
 *
 * Without `sslmode` the connection is not encrypted. Throws an error that does
 * not repeat the URL, as it may hold a password.
 */
export function serverAddress(url: string): ServerAddress {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url);
  if (match === null)
    throw new Error("the database URL is not of the form postgres://user:password@host:port/database");
  const [, login = "", authority = "", path = "", search = ""] = match;
  const query = new URLSearchParams(search.replaceAll("+", "%2B"));
  const unknown = [...query.keys()].find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new Error(`the database URL has a parameter that is not known: ${unknown}`);
  const target = query.get("target_session_attrs") ?? "primary";
  if (!["any", "primary", "read-write"].includes(target))
    throw new Error("the database URL asks for a server that can not be written to");

  const [user = "", password = ""] = splitOnce(login, ":").map(decodeURIComponent);
  const named = query.get("user") ?? (user === "" ? "postgres" : user);
  const seconds = Number(query.get("connect_timeout") ?? 0);
  return {
    endpoints: endpoints(authority, query),
    user: named,
    password: query.get("password") ?? password,
    database: query.get("dbname") ?? (path === "" ? named : decodeURIComponent(path)),
    tls: tls(query.get("sslmode"), query.get("sslrootcert")),
    connectTimeoutMs: seconds > 0 ? seconds * 1000 : undefined,
    applicationName: query.get("application_name") ?? undefined,
  };
}

function endpoints(authority: string, query: URLSearchParams): Endpoint[] {
  const inQuery = query.get("host");
  const places =
    inQuery === null
      ? authority.split(",").map(hostAndPort)
      : inQuery.split(",").map((host) => [host, ""] as const);
  const ports = query.get("port")?.split(",") ?? [];
  return places.map(([host, ownPort], index) => {
    const portText = (ownPort === "" ? (ports[index] ?? ports[0]) : ownPort) ?? "5432";
    const port = Number(portText);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new Error("the database URL has a port that is no port");
    if (host.startsWith("/")) return { path: `${host}/.s.PGSQL.${port}` };
    return { host: host === "" ? "localhost" : host, port };
  });
}

function hostAndPort(place: string): readonly [host: string, port: string] {
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(place);
  if (bracketed !== null) return [bracketed[1] ?? "", bracketed[2] ?? ""];
  const [host, port] = splitOnce(place, ":");
  return [decodeURIComponent(host), port];
}

function tls(mode: string | null, rootCertificate: string | null): ServerAddress["tls"] {
  const ca =
    rootCertificate === null || rootCertificate === "system" ? {} : { ca: readFileSync(rootCertificate) };
  switch (mode) {
    case null:
    case "disable":
      return false;
    case "allow":
    case "prefer":
      return "prefer";
    case "require":
      return "require";
    case "verify-ca":
      return { ...ca, checkServerIdentity: () => undefined };
    case "verify-full":
      return ca;
    default:
      throw new Error("the database URL has an sslmode that is not known");
  }
}

function splitOnce(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
