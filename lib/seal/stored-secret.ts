/*
 * The format in which a secret is kept in the database:
 *
 *   1 byte    version, 1
 *   12 bytes  nonce
 *   n bytes   the text in UTF-8, by AES-256-GCM
 *   16 bytes  tag
 *
 * The key is HKDF-SHA256 of the installation's secret, salted with the id of what
 * the secret belongs to, for one purpose: each key seals a few texts at most, and
 * a sealed text that is put beside another id does not open.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes;

/** Seals and opens secrets of one kind. */
export interface StoredSecrets {
  /** `belongsTo` is the id of the one thing whose secret it is. */
  seal(text: string, belongsTo: string): Uint8Array;
  /** Throws when it was altered, or sealed for something else or with another installation's secret. */
  open(sealed: Uint8Array, belongsTo: string): string;
}

/** Seals secrets of one kind, `purpose`, with the secret of the installation. */
export function storedSecrets({
  secretKey,
  purpose,
}: {
  readonly secretKey: string;
  readonly purpose: string;
}): StoredSecrets {
  const keyOf = (belongsTo: string) =>
    new Uint8Array(hkdfSync("sha256", secretKey, belongsTo, `antiphon ${purpose}`, 32));
  return {
    seal(text, belongsTo) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", keyOf(belongsTo), nonce);
      cipher.setAAD(Buffer.from(belongsTo));
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([Uint8Array.of(version), nonce, sealed, cipher.getAuthTag()]);
    },

    open(sealed, belongsTo) {
      if (sealed.length < headBytes + tagBytes || sealed[0] !== version) {
        throw new RangeError("not a sealed secret");
      }
      const decipher = createDecipheriv("aes-256-gcm", keyOf(belongsTo), sealed.subarray(1, headBytes));
      decipher.setAAD(Buffer.from(belongsTo));
      decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
      const text = decipher.update(sealed.subarray(headBytes, sealed.length - tagBytes));
      return Buffer.concat([text, decipher.final()]).toString("utf8");
    },
  };
}
