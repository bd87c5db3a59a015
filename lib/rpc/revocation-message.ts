import { create } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Revocation as RevocationMessage,
  RevocationSchema,
} from "../../gen/antiphon/internal/v1/revocation_service_pb.ts";
import type { Revocation } from "./revocations.ts";

const fieldOf = { client: "clientId", token: "tokenId", family: "familyId" } as const;
const kindOf = { clientId: "client", tokenId: "token", familyId: "family" } as const;

/** A revocation as it travels. */
export function revocationMessage({ kind, subject, issuedBefore, expiresAt }: Revocation): RevocationMessage {
  return create(RevocationSchema, {
    tokens: { case: fieldOf[kind], value: subject },
    ...(issuedBefore && { issuedBefore: timestampFromDate(issuedBefore) }),
    expiresAt: timestampFromDate(expiresAt),
  });
}

/** A revocation as it came; nothing for one of a kind that this process does not know. */
export function revocationsIn({ tokens, issuedBefore, expiresAt }: RevocationMessage): Revocation[] {
  if (tokens.case === undefined || expiresAt === undefined) return [];
  return [
    {
      kind: kindOf[tokens.case],
      subject: tokens.value,
      ...(issuedBefore && { issuedBefore: timestampDate(issuedBefore) }),
      expiresAt: timestampDate(expiresAt),
    },
  ];
}
