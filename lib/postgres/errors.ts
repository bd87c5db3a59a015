/** When a statement failed: while a connection was being made, so that nothing was sent, or after it was sent. */
export type FailurePhase = "connect" | "statement";

/**
 * What every failed statement rejects with.
 *
 * The message is Postgres's own. The rows and values that Postgres quotes in
 * its details are left out, so that an error may be logged.
 */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";

  /** The SQLSTATE, or where Postgres gave none the code of the socket or the driver (`ECONNREFUSED`, `CONNECTION_CLOSED`). */
  readonly code: string;
  readonly phase: FailurePhase;
  /** The constraint that was violated, if the error is about one. */
  readonly constraint: string | undefined;
  /** The table the error is about, with its schema, if it is about one. */
  readonly table: string | undefined;

  constructor(
    message: string,
    { code, phase, constraint, table, cause }: Failure & { readonly cause?: unknown },
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.phase = phase;
    this.constraint = constraint;
    this.table = table;
  }
}

interface Failure {
  readonly code: string;
  readonly phase: FailurePhase;
  readonly constraint?: string | undefined;
  readonly table?: string | undefined;
}

/** Socket and driver codes, and SQLSTATEs outside class 08, that mean the server is not to be had. */
const connectionCodes: ReadonlySet<string> = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: starting up or shutting down
  "57P05", // idle_session_timeout
  "25P03", // idle_in_transaction_session_timeout
  "53300", // too_many_connections
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Classes of SQLSTATE that blame the values: cardinality, data exception, integrity constraint, program limit. */
const dataClasses: ReadonlySet<string> = new Set(["21", "22", "23", "54"]);

/** Whether a unique constraint or index, the named one if a name is given, refused a row. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (!(error instanceof DatabaseError) || error.code !== "23505") return false;
  return constraint === undefined || error.constraint === constraint;
}

/** Whether Postgres could not be reached, or went away; the same statement may succeed later. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  return error.code.startsWith("08") || connectionCodes.has(error.code);
}

/** Whether the values of the statement are at fault, so that repeating it as it is can only fail again. Nothing was written. */
export function isDataError(error: unknown): boolean {
  return error instanceof DatabaseError && isSqlState(error) && dataClasses.has(error.code.slice(0, 2));
}

/**
 * Whether the statement may have been committed although it failed: the
 * connection was lost after it was sent, or Postgres itself says it does not
 * know (40003). A statement ended by a time limit or by cancelling it (57014)
 * is counted too: Postgres undoes it, but nobody should rely on that without
 * reading again.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof DatabaseError) || error.phase === "connect") return false;
  return isConnectionLost(error) || error.code === "40003" || error.code === "57014";
}

function isSqlState(error: DatabaseError): boolean {
  return /^[0-9A-Z]{5}$/.test(error.code);
}
