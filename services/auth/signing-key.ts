import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from "jose";
import { ConfigError } from "../../lib/config/env.ts";
import { accessTokenAlgorithm } from "../../lib/rpc/tokens.ts";

/** A key pair as it is made. */
export interface NewSigningKey {
  /** The thumbprint of the public key, which tokens name as `kid`. */
  readonly keyId: string;
  readonly publicKey: JWK;
  /** Initialisation vector, tag and the private key as JWK, sealed by AES-256-GCM. */
  readonly sealedPrivateKey: Uint8Array;
}

/** A key pair as it is stored. */
export interface StoredSigningKey extends NewSigningKey {
  /** From when on it signs; until then it is only published. */
  readonly signsAt: Date;
}

/** A key that signs. */
export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: CryptoKey;
}

const cipherName = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;

/** Makes a key pair, its private half sealed by the installation's secret. */
export async function drawSigningKey(secretKey: string): Promise<NewSigningKey> {
  const pair = await generateKeyPair(accessTokenAlgorithm, { extractable: true });
  const [publicKey, privateKey] = await Promise.all([exportJWK(pair.publicKey), exportJWK(pair.privateKey)]);
  const keyId = await calculateJwkThumbprint(publicKey);
  const described = { ...publicKey, kid: keyId, alg: accessTokenAlgorithm, use: "sig" };
  return {
    keyId,
    publicKey: described,
    sealedPrivateKey: seal(secretKey, keyId, JSON.stringify(privateKey)),
  };
}

/** Opens a stored key. Throws a ConfigError when it was sealed by another secret. */
export async function openSigningKey(secretKey: string, stored: NewSigningKey): Promise<SigningKey> {
  const jwk = JSON.parse(unseal(secretKey, stored)) as JWK;
  const privateKey = await importJWK(jwk, accessTokenAlgorithm);
  if (privateKey instanceof Uint8Array) throw new TypeError(`signing key ${stored.keyId} is not a key pair`);
  return { keyId: stored.keyId, privateKey };
}

/** The key id is sealed in as well, so that no private key can be put under another id. */
function seal(secretKey: string, keyId: string, text: string): Uint8Array {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(cipherName, sealingKey(secretKey), iv).setAAD(Buffer.from(keyId));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

function unseal(secretKey: string, { keyId, sealedPrivateKey }: NewSigningKey): string {
  const sealed = Buffer.from(sealedPrivateKey);
  const decipher = createDecipheriv(cipherName, sealingKey(secretKey), sealed.subarray(0, ivBytes))
    .setAAD(Buffer.from(keyId))
    .setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes));
  try {
    return decipher.update(sealed.subarray(ivBytes + tagBytes), undefined, "utf8") + decipher.final("utf8");
  } catch {
    throw new ConfigError([
      "ANTIPHON_SECRET_KEY: it is not the secret that the signing keys in the database were sealed with",
    ]);
  }
}

function sealingKey(secretKey: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secretKey, "", "antiphon signing key", 32));
}
