/** A pattern of `like` for texts that contain this one. */
export function containing(text: string): string {
  return `%${escaped(text)}%`;
}

/** A pattern of `like` for texts that begin with this one. */
export function beginningWith(text: string): string {
  return `${escaped(text)}%`;
}

/** A text as a pattern that matches nothing else. */
function escaped(text: string): string {
  return text.replaceAll(/[\\%_]/g, "\\$&");
}
