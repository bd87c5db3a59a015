import type { ErrorReason } from "../../gen/antiphon/common/v1/error_reason_pb.ts";

/** Why a call is refused: the names of `antiphon.common.v1.ErrorReason` without their prefix. */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** One fault of a request: where, why, and the same for people. */
export interface FieldFault {
  /** From the root of the request in proto names: `dag.nodes[2].dependencies[0]`. */
  readonly path: string;
  readonly reason: Reason;
  readonly message: string;
  /** As the comment on the reason in the contract lists it. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * A refusal that ends a request. Which status code it becomes is said by its
 * reason, in one place (`lib/rpc/to-connect-error.ts`).
 *
 * The message is lower case, says what is the case, names ids, and never holds
 * payloads; callers see it.
 */
export class DomainError extends Error {
  override readonly name = "DomainError";
  readonly reason: Reason;
  /** Names and values as the comment on the reason in the contract lists them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every fault of the request, when it is the request that is at fault. */
  readonly faults: readonly FieldFault[];
  /** When the same request may be made again, if that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    reason: Reason,
    message: string,
    metadata: Readonly<Record<string, string>> = {},
    {
      faults = [],
      cause,
      retryAfterMs,
    }: {
      readonly faults?: readonly FieldFault[];
      readonly cause?: unknown;
      readonly retryAfterMs?: number;
    } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.metadata = metadata;
    this.faults = faults;
    this.retryAfterMs = retryAfterMs;
  }

  /** The refusal of a request with faults, of which there must be one at least: the first one's reason and metadata, all of them listed. */
  static ofFaults(
    faults: readonly FieldFault[],
    metadata: Readonly<Record<string, string>> = {},
  ): DomainError {
    const [first] = faults;
    if (first === undefined) throw new RangeError("a refusal needs a fault");
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
    const details = { ...first.metadata, ...metadata };
    return new DomainError(first.reason, `${first.path}: ${first.message}${more}`, details, { faults });
  }
}
