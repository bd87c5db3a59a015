/** What a check found. */
export interface Finding {
  /** What was looked at: `sandbox`. */
  readonly name: string;
  /** `missing` keeps something from working that is needed; `optional` is missing and something else stands in for it. */
  readonly status: "ok" | "missing" | "optional";
  /** What is there, or what its absence means. */
  readonly detail: string;
  /** The command that mends it; unset when there is nothing to mend. */
  readonly mend?: string;
}

/** Looks at one thing. */
export type Check = (surroundings: Surroundings) => Promise<Finding | readonly Finding[]>;

/** Where a check looks. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly dataDirectory: string;
  /** The address that a server here would listen on. */
  readonly host: string;
  readonly port: number;
  /** The process that says in the data folder that it serves there; it may have died since. */
  readonly serverPid: number | undefined;
  /** A folder of the checks' own, removed afterwards. */
  readonly temporary: string;
}

/** What an error says, on one line. */
export function sayingOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n", 1)[0] ?? "";
}
