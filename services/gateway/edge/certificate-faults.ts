import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CertificateFiles } from "../../../lib/rpc/certificates.ts";

/** What is wrong with the files that the variables of TLS name, each fault with its variable; empty when they can be used. */
export function certificateFaults({ certPath, keyPath, clientCaPath }: CertificateFiles): string[] {
  const certificate = read("TLS_CERT", certPath, certificateOf, "holds no certificate in PEM");
  const key = read("TLS_KEY", keyPath, createPrivateKey, "holds no key in PEM without a passphrase");
  const authority =
    clientCaPath === undefined
      ? undefined
      : read("TLS_CLIENT_CA", clientCaPath, certificateOf, "holds no certificate in PEM");
  const faults = [certificate, key, authority].flatMap((found) => found?.fault ?? []);
  if (faults.length > 0 || certificate.content === undefined || key.content === undefined) return faults;
  return certificate.content.checkPrivateKey(key.content) ? [] : ["TLS_KEY: is not the key of TLS_CERT"];
}

type Read<Content> =
  | { readonly content: Content; readonly fault?: undefined }
  | { readonly fault: string; readonly content?: undefined };

function read<Content>(
  variable: string,
  path: string,
  parse: (pem: Buffer) => Content,
  complaint: string,
): Read<Content> {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (error) {
    return { fault: `${variable}: can not be read (${(error as NodeJS.ErrnoException).code})` };
  }
  try {
    return { content: parse(pem) };
  } catch {
    return { fault: `${variable}: ${complaint}` };
  }
}

function certificateOf(pem: Buffer): X509Certificate {
  return new X509Certificate(pem);
}
