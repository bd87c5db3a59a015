import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** A certificate and its key, in PEM files. */
export interface CertificatePair {
  readonly certPath: string;
  readonly keyPath: string;
}

/** Options of OpenSSL by name, those without a value as "". */
type Options = Readonly<Record<string, string>>;

const freshKey: Options = { newkey: "ec", pkeyopt: "ec_paramgen_curve:prime256v1", nodes: "" };

async function openssl(command: string, options: Options): Promise<void> {
  const args = Object.entries(options).flatMap(([name, value]) => [`-${name}`, ...(value ? [value] : [])]);
  await promisify(execFile)("openssl", [command, ...args]);
}

/** An authority that lives in a folder and signs certificates for this machine's loopback. */
export class TestAuthority {
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** Its own certificate, which its peers must trust. */
  get caPath(): string {
    return join(this.#folder, `${this.#name}.crt`);
  }

  get #keyPath(): string {
    return join(this.#folder, `${this.#name}.key`);
  }

  static async make(folder: string, name: string): Promise<TestAuthority> {
    const authority = new TestAuthority(folder, name);
    await openssl("req", {
      x509: "",
      ...freshKey,
      keyout: authority.#keyPath,
      out: authority.caPath,
      days: "2",
      subj: `/CN=${name}`,
    });
    return authority;
  }

  /** Signs a certificate for `127.0.0.1` and `localhost`, which is good for clients, too. */
  async sign(name: string): Promise<CertificatePair> {
    const path = (ending: string) => join(this.#folder, `${name}.${ending}`);
    await openssl("req", { ...freshKey, keyout: path("key"), out: path("csr"), subj: `/CN=${name}` });
    await writeFile(path("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    await openssl("x509", {
      req: "",
      in: path("csr"),
      out: path("crt"),
      days: "2",
      extfile: path("ext"),
      CA: this.caPath,
      CAkey: this.#keyPath,
      set_serial: String(randomInt(2 ** 40)),
    });
    return { certPath: path("crt"), keyPath: path("key") };
  }
}
