import { z } from "zod";
import type { IssueTokenRequest } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";

const maxLength = 200;

const bounded = z
  .string()
  .min(1, "is required")
  .max(maxLength, `has more than ${maxLength} characters`)
  // Postgres has no text with this character, so no client has such an id.
  .refine((text) => !text.includes("\0"), "holds a NUL character");

const credentials = z.object({ clientId: bounded, clientSecret: bounded });

const protoName: Readonly<Record<string, string>> = { clientId: "client_id", clientSecret: "client_secret" };

/** The id and secret of a request. Throws FIELD_INVALID with every fault. */
export function validCredentials(request: IssueTokenRequest): z.output<typeof credentials> {
  const checked = credentials.safeParse(request);
  if (checked.success) return checked.data;
  throw DomainError.ofFaults(
    checked.error.issues.map(({ path: [field], message }) => ({
      path: protoName[String(field)] ?? String(field),
      reason: "FIELD_INVALID",
      message,
    })),
  );
}
