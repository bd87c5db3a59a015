import { createHash } from "node:crypto";

/** Subjects of this form stand in client ids as they are; of others their digest does. */
const plainSubject = /^[A-Za-z0-9._:@|-]{1,120}$/;

/** The id of the client that stands for a subject of an issuer that has this name here. */
export function issuerStandIn(issuerName: string, subject: string): string {
  return `oidc:${issuerName}:${plainOrDigest(subject)}`;
}

/** The id of the client that stands for a user of the service that verifies tokens. */
export function hookStandIn(userId: string): string {
  return `external:${plainOrDigest(userId)}`;
}

/** Whether an id is kept for clients that stand for somebody else's users, so that no client may be registered by it. */
export function isStandIn(clientId: string): boolean {
  return /^(oidc|external):/.test(clientId);
}

/** No plain subject begins as a digest does. */
function plainOrDigest(subject: string): string {
  if (plainSubject.test(subject)) return subject;
  return `~${createHash("sha256").update(subject).digest("base64url")}`;
}
