import { describe, expect, test } from "vitest";
import { ConfigError } from "../../lib/config/env.ts";
import { drawSigningKey, openSigningKey } from "./signing-key.ts";

describe("a signing key", () => {
  test("is opened by the secret that sealed it", async () => {
    const stored = await drawSigningKey("secret");
    await expect(openSigningKey("secret", stored)).resolves.toMatchObject({ keyId: stored.keyId });
  });

  test("is not opened by another secret, which is said", async () => {
    const stored = await drawSigningKey("secret");
    await expect(openSigningKey("another", stored)).rejects.toThrow(ConfigError);
    await expect(openSigningKey("another", stored)).rejects.toThrow(/ANTIPHON_SECRET_KEY/);
  });

  test("is not opened under the id of another one", async () => {
    const [one, two] = [await drawSigningKey("secret"), await drawSigningKey("secret")];
    await expect(openSigningKey("secret", { ...one, keyId: two.keyId })).rejects.toThrow(ConfigError);
  });

  test("publishes nothing of its private half", async () => {
    const { publicKey, sealedPrivateKey, keyId } = await drawSigningKey("secret");
    expect(publicKey).toMatchObject({ kid: keyId, alg: "EdDSA", use: "sig", kty: "OKP" });
    expect(publicKey).not.toHaveProperty("d");
    expect(Buffer.from(sealedPrivateKey).toString("latin1")).not.toContain('"d"');
  });
});
