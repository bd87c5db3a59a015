/** What clients of the Waldiez runner send for an answer without text. */
const nothing: ReadonlySet<string> = new Set(["\n", '""', "''", "/\n"]);

/** The text of an answer as its client means it. */
export function answerText(data: string): string {
  return nothing.has(data) ? "" : data;
}
