/*
 * The format in which a secret answer travels from taskio to the one worker that
 * may read it:
 *
 *   1 byte    version, 1
 *   32 bytes  ephemeral X25519 public key
 *   12 bytes  nonce
 *   n bytes   the answer in UTF-8, by AES-256-GCM
 *   16 bytes  tag
 *
 * The key is HKDF-SHA256 of the shared secret, salted with both public keys. The
 * task, the attempt and the prompt are associated data, so that a sealed answer
 * opens for the question it was given to and for no other.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";

const version = 1;
const publicKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + publicKeyBytes + nonceBytes;

/** The question that an answer belongs to. */
export interface SealContext {
  readonly taskId: string;
  readonly attempt: number;
  readonly promptId: string;
}

/** A key pair of one attempt's worker. */
export interface SealingKeys {
  /** Raw, 32 bytes; goes into the lease request. */
  readonly publicKey: Uint8Array;
  /** Stays in the worker's memory. */
  readonly privateKey: KeyObject;
}

/** Draws a key pair. */
export function sealingKeys(): SealingKeys {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return { publicKey: rawPublicKey(publicKey), privateKey };
}

/** Seals an answer to a raw public key. Throws a RangeError when that is no X25519 key. */
export function seal(
  answer: string,
  { publicKey, ...context }: SealContext & { readonly publicKey: Uint8Array },
): Uint8Array {
  const recipient = publicKeyOf(publicKey);
  const ephemeral = generateKeyPairSync("x25519");
  const ephemeralKey = rawPublicKey(ephemeral.publicKey);
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient });
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", sealKey(secret, ephemeralKey, publicKey), nonce);
  cipher.setAAD(associatedData(context));
  const text = Buffer.concat([cipher.update(answer, "utf8"), cipher.final()]);
  return Buffer.concat([Uint8Array.of(version), ephemeralKey, nonce, text, cipher.getAuthTag()]);
}

/** Opens what `seal` made. Throws when it is malformed, was altered, or was sealed to another key or for another prompt. */
export function openSealed(
  sealed: Uint8Array,
  { keys, ...context }: SealContext & { readonly keys: SealingKeys },
): string {
  if (sealed.length < headBytes + tagBytes || sealed[0] !== version) {
    throw new RangeError("not a sealed answer");
  }
  const ephemeralKey = sealed.subarray(1, 1 + publicKeyBytes);
  const nonce = sealed.subarray(1 + publicKeyBytes, headBytes);
  const secret = diffieHellman({ privateKey: keys.privateKey, publicKey: publicKeyOf(ephemeralKey) });
  const decipher = createDecipheriv("aes-256-gcm", sealKey(secret, ephemeralKey, keys.publicKey), nonce);
  decipher.setAAD(associatedData(context));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const text = decipher.update(sealed.subarray(headBytes, sealed.length - tagBytes));
  return Buffer.concat([text, decipher.final()]).toString("utf8");
}

function sealKey(secret: Uint8Array, ephemeralKey: Uint8Array, recipientKey: Uint8Array): Uint8Array {
  const salt = Buffer.concat([ephemeralKey, recipientKey]);
  return new Uint8Array(hkdfSync("sha256", secret, salt, "antiphon sealed answer", 32));
}

function associatedData({ taskId, attempt, promptId }: SealContext): Uint8Array {
  return Buffer.from(JSON.stringify([taskId, attempt, promptId]));
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url");
}

function publicKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== publicKeyBytes) throw new RangeError("an X25519 public key has 32 bytes");
  return createPublicKey({
    key: { kty: "OKP", crv: "X25519", x: Buffer.from(raw).toString("base64url") },
    format: "jwk",
  });
}
