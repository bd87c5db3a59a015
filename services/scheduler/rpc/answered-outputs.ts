import { DomainError } from "../../../lib/errors/domain-error.ts";
import { type Json, jsonBytes } from "../core/json.ts";

/** What outputs may take in one answer, so that it stays a message: 7 MiB. */
const maxAnswerBytes = 7 * 1024 * 1024;

/** What a task gave, and where it is a list's, what each of its items gave. */
export interface Answered {
  readonly output: Json | undefined;
  readonly items: { readonly tasks: readonly Pick<Answered, "output">[] } | undefined;
}

/** Throws `TOO_LARGE` when the outputs of these tasks are more than one answer holds; `instead` says what to ask for. */
export function refuseTooLarge(tasks: readonly Answered[], instead: string): void {
  let size = 0;
  for (const output of tasks.flatMap(partsOf)) {
    size += jsonBytes(output).length;
    if (size <= maxAnswerBytes) continue;
    const message = `the outputs have more than ${maxAnswerBytes} bytes together; ask for ${instead}`;
    throw new DomainError("TOO_LARGE", message, { limit: String(maxAnswerBytes) });
  }
}

/** The outputs of a list's items one by one: as a whole they may be longer than any text can be. */
function partsOf({ output, items }: Answered): Json[] {
  if (output === undefined) return [];
  return items === undefined ? [output] : items.tasks.map((item) => item.output ?? null);
}
