import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CertificatePair, TestAuthority } from "../../../test/support/certificates.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { certificateFaults } from "./certificate-faults.ts";

let folder: TemporaryFolder;
let authority: TestAuthority;
let one: CertificatePair;
let other: CertificatePair;
let noise: string;

beforeAll(async () => {
  folder = await temporaryFolder("certificate-faults");
  authority = await TestAuthority.make(folder.path, "authority");
  [one, other] = await Promise.all([authority.sign("one"), authority.sign("other")]);
  noise = join(folder.path, "noise");
  await writeFile(noise, "no PEM\n");
});
afterAll(() => folder[Symbol.asyncDispose]());

describe("certificateFaults", () => {
  test("finds none with a certificate, its key and an authority", () => {
    expect(certificateFaults({ ...one, clientCaPath: authority.caPath })).toEqual([]);
  });

  test("names the variable of every file that can not be read", () => {
    const gone = join(folder.path, "gone");
    expect(certificateFaults({ certPath: gone, keyPath: gone, clientCaPath: folder.path })).toEqual([
      "TLS_CERT: can not be read (ENOENT)",
      "TLS_KEY: can not be read (ENOENT)",
      "TLS_CLIENT_CA: can not be read (EISDIR)",
    ]);
  });

  test("names the variable of every file that holds something else", () => {
    expect(certificateFaults({ certPath: one.keyPath, keyPath: one.certPath, clientCaPath: noise })).toEqual([
      "TLS_CERT: holds no certificate in PEM",
      "TLS_KEY: holds no key in PEM without a passphrase",
      "TLS_CLIENT_CA: holds no certificate in PEM",
    ]);
  });

  test("tells a key that belongs to another certificate", () => {
    expect(certificateFaults({ certPath: one.certPath, keyPath: other.keyPath })).toEqual([
      "TLS_KEY: is not the key of TLS_CERT",
    ]);
  });
});
