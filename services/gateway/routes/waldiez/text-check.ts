/** How much of a file tells what it is, in bytes. */
export const sniffedBytes = 2_048;

/** What no text holds: control characters but for those that lay it out. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const controls = /[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]/;

/** Whether a file that begins like this is text, as JSON is: UTF-8 without control characters. */
export function looksLikeText(beginning: Uint8Array): boolean {
  try {
    // A character may be cut at the end of the beginning.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(beginning.subarray(0, sniffedBytes), {
      stream: true,
    });
    return !controls.test(text);
  } catch {
    return false;
  }
}
