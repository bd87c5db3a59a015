import { createPrivateKey, X509Certificate } from "node:crypto";
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

/** A file for TLS can not be used. The message names the variable that would name it, whoever did. */
export class TlsFileUnusable extends Error {
  override readonly name = "TlsFileUnusable";
  readonly code = "TLS_FILE_UNUSABLE";
}

/**
 * What is in the files, as Node's connections take it. Throws TlsFileUnusable
 * when one can not be read or holds something else: Node would take a wrong
 * authority without a word and then trust no server.
 */
export function readTlsFiles({ caPath, certPath, keyPath }: TlsFiles): {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
} {
  if (Boolean(certPath) !== Boolean(keyPath))
    throw new TlsFileUnusable("ANTIPHON_TLS_CERT, ANTIPHON_TLS_KEY: one is set without the other");
  const certificate = (pem: Buffer) => new X509Certificate(pem);
  return {
    ...(caPath && { ca: read("ANTIPHON_TLS_CA", caPath, certificate) }),
    ...(certPath && { cert: read("ANTIPHON_TLS_CERT", certPath, certificate) }),
    ...(keyPath && { key: read("ANTIPHON_TLS_KEY", keyPath, createPrivateKey) }),
  };
}

function read(variable: string, path: string, parse: (pem: Buffer) => unknown): Buffer {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new TlsFileUnusable(`${variable}: ${path} can not be read (${code})`, { cause });
  }
  try {
    parse(pem);
  } catch (cause) {
    throw new TlsFileUnusable(`${variable}: ${path} holds nothing of the kind in PEM`, { cause });
  }
  return pem;
}
