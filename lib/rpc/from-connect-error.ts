import { type Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Reason } from "../errors/domain-error.ts";
import { codeOf, errorDomain } from "./to-connect-error.ts";

/** A fault of the request, as the callee named it. */
export interface RefusedField {
  readonly path: string;
  /** Empty when the callee gave none. */
  readonly reason: string;
  readonly message: string;
}

/** What a failed call says, whatever protocol it came by. */
export interface CallFailure {
  /** Undefined when the callee gave none, or one that this program does not know. */
  readonly reason: Reason | undefined;
  /** Without a status code in front. */
  readonly message: string;
  readonly code: Code;
  readonly metadata: Readonly<Record<string, string>>;
  readonly faults: readonly RefusedField[];
}

/** Reads what a call rejected with: the way back of `toConnectError`. Accepts anything that was thrown. */
export function fromConnectError(thrown: unknown): CallFailure {
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === errorDomain);
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  return {
    reason: info !== undefined && isReason(info.reason) ? info.reason : undefined,
    message: error.rawMessage,
    code: error.code,
    metadata: info?.metadata ?? {},
    faults: violations.map(({ field, reason, description }) => ({
      path: field,
      reason,
      message: description,
    })),
  };
}

function isReason(text: string): text is Reason {
  return Object.hasOwn(codeOf, text);
}
