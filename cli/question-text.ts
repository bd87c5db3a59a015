import { plainText } from "./plain-text.ts";

/** So many choices are shown, and that there are more. */
const mostChoices = 10;

/** A question with what may be answered: `Ship? (ship, hold)`. One that takes any text is as it was asked. */
export function questionText({
  text,
  choices,
}: {
  readonly text: string;
  readonly choices: readonly string[];
}): string {
  const asked = plainText(text);
  if (choices.length === 0) return asked;
  const more = choices.length > mostChoices ? ["…"] : [];
  const offered = [...choices.slice(0, mostChoices).map(plainText), ...more].join(", ");
  return `${asked.trimEnd()} (${offered}) `.trimStart();
}
