import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CertificatePair, TestAuthority } from "../../test/support/certificates.ts";
import { type TemporaryFolder, temporaryFolder } from "../../test/support/temporary-folder.ts";
import { readTlsFiles } from "./tls-files.ts";

let folder: TemporaryFolder;
let caPath: string;
let pair: CertificatePair;

beforeAll(async () => {
  folder = await temporaryFolder("tls-files");
  const authority = await TestAuthority.make(folder.path, "authority");
  caPath = authority.caPath;
  pair = await authority.sign("client");
});
afterAll(() => folder[Symbol.asyncDispose]());

describe("readTlsFiles", () => {
  test("reads what is named and nothing else", () => {
    expect(Object.keys(readTlsFiles({ caPath, ...pair }))).toEqual(["ca", "cert", "key"]);
    expect(readTlsFiles({ caPath: "" })).toEqual({});
  });

  test("names the variable of a file that is not there", () => {
    const gone = join(folder.path, "gone");
    expect(() => readTlsFiles({ caPath: gone })).toThrow(`ANTIPHON_TLS_CA: ${gone} can not be read (ENOENT)`);
    expect(() => readTlsFiles({ ...pair, keyPath: gone })).toThrow("ANTIPHON_TLS_KEY: ");
  });

  test("names the variable of a file that holds something else", async () => {
    const noise = join(folder.path, "noise");
    await writeFile(noise, "no PEM\n");
    expect(() => readTlsFiles({ caPath: noise })).toThrow(/ANTIPHON_TLS_CA: .* in PEM/);
    expect(() => readTlsFiles({ ...pair, certPath: noise })).toThrow(/ANTIPHON_TLS_CERT: .* in PEM/);
    expect(() => readTlsFiles({ ...pair, keyPath: noise })).toThrow(/ANTIPHON_TLS_KEY: .* in PEM/);
  });

  test("refuses a certificate without its key", () => {
    expect(() => readTlsFiles({ certPath: pair.certPath })).toThrow("one is set without the other");
  });
});
