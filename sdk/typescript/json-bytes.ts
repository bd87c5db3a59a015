/** A JSON value as the bytes that the contract has for it. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The JSON value in bytes; undefined when there are none. Throws a SyntaxError for what is no JSON. */
export function jsonOf(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes));
}
