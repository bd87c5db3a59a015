/** How much of a file tells what it is, in bytes. */
export const sniffedBytes = 2_048;

/** What no text holds: control characters but for those that lay it out. */
const controls = /[^\P{Cc}\t\n\v\f\r\u0080-\u009f]/u;

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
