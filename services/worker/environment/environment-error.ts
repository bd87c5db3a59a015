/** Why there is no environment for a program. */
export type EnvironmentFault =
  /** A requirement is not a plain name with versions, or there are too many. The submitter's to mend. */
  | "REQUIREMENT_INVALID"
  /** The packages could not be installed or imported. The message ends with what the build said last. */
  | "BUILD_FAILED"
  /** Nothing on this machine can contain a build. The message names the command that mends it. */
  | "SANDBOX_UNAVAILABLE"
  /** No Python on this machine can be used by programs. The message says why. */
  | "PYTHON_UNAVAILABLE";

/** An environment is refused or could not be made; what the submitter or operator needs to know is the message. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
  readonly fault: EnvironmentFault;

  constructor(fault: EnvironmentFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
