import { readFileSync } from "node:fs";

/** Files in PEM for a server that the machine does not trust by itself, or that asks callers for a certificate. */
export interface TlsFiles {
  /** The authorities that the server's certificate may be of, instead of those that the machine trusts. */
  readonly caPath?: string | undefined;
  /** The certificate to show, and its key. */
  readonly certPath?: string | undefined;
  readonly keyPath?: string | undefined;
}

/** The files that the environment names. */
export function tlsFilesIn(env: NodeJS.ProcessEnv): TlsFiles {
  return {
    caPath: env["ANTIPHON_TLS_CA"],
    certPath: env["ANTIPHON_TLS_CERT"],
    keyPath: env["ANTIPHON_TLS_KEY"],
  };
}

/** What is in the files, as Node's connections take it. Throws when one can not be read. */
export function readTlsFiles({ caPath, certPath, keyPath }: TlsFiles): {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
} {
  return {
    ...(caPath && { ca: readFileSync(caPath) }),
    ...(certPath && { cert: readFileSync(certPath) }),
    ...(keyPath && { key: readFileSync(keyPath) }),
  };
}
