import { styleText } from "node:util";

/** What the server chose and where it is, for the person who started it. */
export interface StartUp {
  readonly version: string;
  readonly dataDirectory: string;
  /** Whether commands called where the server was do not find that folder by themselves. */
  readonly mustNameFolder: boolean;
  readonly postgres: string;
  readonly broker: string;
  readonly sandbox: string;
  readonly python: string;
  /** What stands in for others: for hosts, and for language models unless there are some. */
  readonly standIns: string;
  readonly url: string;
  /** Whether callers have to show a certificate. */
  readonly wantsCertificates: boolean;
  readonly clientsFile: string;
  readonly readyInMs: number;
}

/** One line a fact, and at the end what to try next. */
export function startUpLines(start: StartUp): string[] {
  const fact = (name: string, text: string) => `  ${name.padEnd(10)} ${text}`;
  return [
    `${styleText("bold", `antiphon ${start.version}`)}   data in ${start.dataDirectory}`,
    fact("postgres", start.postgres),
    fact("broker", start.broker),
    fact("sandbox", start.sandbox),
    fact("python", start.python),
    fact("stand-ins", start.standIns),
    fact("clients", start.clientsFile),
    fact("serving", `${start.url}   gRPC, gRPC-web, Connect and JSON on one port, with reflection`),
    `ready in ${(start.readyInMs / 1_000).toFixed(1)} s; try in a second terminal:`,
    "",
    ...(start.mustNameFolder ? [`  export ANTIPHON_DATA_DIR=${shellWord(start.dataDirectory)}`] : []),
    ...(start.url.startsWith("https:")
      ? ["  export ANTIPHON_TLS_CA=FILE   # the authority of the certificate, unless this machine trusts it"]
      : []),
    ...(start.wantsCertificates
      ? ["  export ANTIPHON_TLS_CERT=FILE ANTIPHON_TLS_KEY=FILE   # of an authority in TLS_CLIENT_CA"]
      : []),
    "  npx antiphon run examples/hello.py",
    "  npx antiphon workflow run examples/fanout.json",
    "",
  ];
}

/** A text as one word of a shell's line. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
