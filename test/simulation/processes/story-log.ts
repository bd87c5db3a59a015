import type { Logger } from "../../../lib/log/log.ts";

/** What is logged as an error although it is no defect: an outage that lasts, or a script that throws. */
const expectedErrors: ReadonlySet<string> = new Set([
  "heartbeat not answered",
  "superseded by a newer process of the same worker id",
  "handler failed",
]);

/** A log that tells the story, and reports what is logged as an error. */
export function storyLog({
  tell,
  defect,
}: {
  readonly tell: (line: string) => void;
  readonly defect: (line: string) => void;
}): Logger {
  const line = (fields: unknown, message: unknown): string => {
    const { err, ...rest } = fields as { readonly err?: unknown };
    const cause = err instanceof Error ? ` ${err.name}: ${err.message}` : "";
    return `${String(message)} ${JSON.stringify(rest)}${cause}`;
  };
  const note = (fields: unknown, message?: unknown): void => tell(line(fields, message));
  const warn = (fields: unknown, message?: unknown): void => {
    const stack = (fields as { readonly err?: { readonly stack?: string } }).err?.stack ?? "";
    if (expectedErrors.has(String(message))) note(fields, message);
    else defect(`${line(fields, message)} ${stack}`);
  };
  const log = { debug: note, info: note, warn: note, error: warn, fatal: warn, trace: note };
  return log as unknown as Logger;
}
