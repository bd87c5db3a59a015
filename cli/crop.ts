import stringWidth from "string-width";

/** A colour on or off, which takes no room. */
const color = new RegExp(`${String.fromCodePoint(27)}\\[[\\d;]*m`, "y");

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** A line cut to so many columns of a terminal, with an ellipsis where something is cut; its colours stay as they are. */
export function cropped(line: string, columns: number): string {
  if (stringWidth(line) <= columns) return line;
  let room = columns - 1;
  let shown = "";
  for (let at = 0; at < line.length; ) {
    color.lastIndex = at;
    const [code] = color.exec(line) ?? [];
    if (code !== undefined) {
      shown += code;
      at += code.length;
      continue;
    }
    const [next] = graphemes.segment(line.slice(at, at + 32));
    const text = next?.segment ?? line.charAt(at);
    at += text.length;
    const width = stringWidth(text);
    if (width <= room) shown += text;
    else if (room >= 0) shown += "…";
    // Once something is cut only colours follow.
    room = width <= room ? room - width : -1;
  }
  return shown;
}
