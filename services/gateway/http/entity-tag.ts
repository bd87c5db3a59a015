import { createHash } from "node:crypto";

/** So many characters of a digest: 132 bits, which no two contents share. */
const tagLength = 22;

/** The strong entity tag of what is answered (RFC 9110 §8.8.3). */
export function entityTag(content: string | Uint8Array): string {
  return `"${createHash("sha256").update(content).digest("base64url").slice(0, tagLength)}"`;
}

/** Whether `If-Match` or `If-None-Match` names a tag, or any; an absent one names none. Proxies that compress make ours a weak one. */
export function namesTag(list: string | undefined, tag: string): boolean {
  const tags = (list ?? "").split(",").map((named) => named.trim().replace(/^W\//, ""));
  return tags.includes(tag) || tags.includes("*");
}
