/** Everything but line breaks and tabs that a terminal might take for a command. */
const controlCharacters = /[^\P{Cc}\n\t]/gu;

/** Text that somebody else wrote, made safe to stand among our own on a terminal. */
export function plainText(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(controlCharacters, "");
}
