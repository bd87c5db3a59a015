import type { Fault } from "../sdk/typescript/antiphon.ts";
import type { ExitCode } from "./exit-code.ts";

/** Ends a command, with what the user is to know. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: ExitCode;
  /** Upper case, as in the contract's catalogue where it is one of those. */
  readonly reason: string;
  /** What the user can do about it; may be empty. */
  readonly hint: string;
  readonly faults: readonly Fault[];

  constructor(
    message: string,
    details: {
      readonly exitCode: ExitCode;
      readonly reason: string;
      readonly hint?: string;
      readonly faults?: readonly Fault[];
      readonly cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.exitCode = details.exitCode;
    this.reason = details.reason;
    this.hint = details.hint ?? "";
    this.faults = details.faults ?? [];
  }
}
