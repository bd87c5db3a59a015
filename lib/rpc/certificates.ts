import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Logger } from "../log/log.ts";

/** Where the files are that TLS needs, all in PEM. They are read again when they change. */
export interface CertificateFiles {
  /** The certificate, with those between it and the authority after it. */
  readonly certPath: string;
  readonly keyPath: string;
  /** Authorities of which every peer must show a certificate. Absent: peers need none. */
  readonly clientCaPath?: string | undefined;
}

/** The files are looked at no oftener. */
const lookEveryMs = 1_000;

/** Not known to be broken; a client that speaks nothing newer is refused. */
const minVersion = "TLSv1.2";

/**
 * The certificates of a port, as their files have them.
 *
 * Files that can not be used, for example because only one of two has been
 * replaced, are logged once and the former certificates stay.
 */
export class Certificates {
  readonly #files: CertificateFiles;
  readonly #log: Logger;
  #current: SecureContextOptions;
  #seen: string;
  #lookedAt = performance.now();

  /** Throws when a file can not be read, or certificate and key are none or do not belong together. */
  constructor(files: CertificateFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#seen = this.#mark();
    this.#current = this.#read();
  }

  get current(): SecureContextOptions {
    return this.#current;
  }

  /** The certificates when their files have changed since this was asked last, undefined otherwise. */
  changed(): SecureContextOptions | undefined {
    const now = performance.now();
    if (now - this.#lookedAt < lookEveryMs) return undefined;
    this.#lookedAt = now;
    const mark = this.#mark();
    if (mark === this.#seen) return undefined;
    this.#seen = mark;
    try {
      this.#current = this.#read();
      this.#log.info("certificates replaced");
      return this.#current;
    } catch (error) {
      this.#log.warn({ err: error }, "certificates not replaced");
      return undefined;
    }
  }

  #read(): SecureContextOptions {
    const { certPath, keyPath, clientCaPath } = this.#files;
    const read = {
      cert: readFileSync(certPath),
      key: readFileSync(keyPath),
      ...(clientCaPath !== undefined && { ca: readFileSync(clientCaPath) }),
      minVersion,
    } as const;
    createSecureContext(read);
    return read;
  }

  /** Differs whenever a file has been written or replaced, also by way of a link. */
  #mark(): string {
    const { certPath, keyPath, clientCaPath } = this.#files;
    const paths = [certPath, keyPath, ...(clientCaPath === undefined ? [] : [clientCaPath])];
    return paths.map(markOf).join();
  }
}

function markOf(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return "none";
  }
}
