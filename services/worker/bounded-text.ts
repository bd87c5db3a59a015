const encoder = new TextEncoder();

/** A text cut, between characters, to at most `maxBytes` of UTF-8; lone surrogates become U+FFFD. */
export function boundedText(text: string, maxBytes: number): string {
  const wellFormed = text.toWellFormed();
  const { read } = encoder.encodeInto(wellFormed, new Uint8Array(Math.min(maxBytes, wellFormed.length * 3)));
  return wellFormed.slice(0, read);
}
