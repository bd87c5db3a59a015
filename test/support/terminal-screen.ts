import stringWidth from "string-width";

const escape = String.fromCodePoint(27);

/** A command to the terminal, a line break, or a character. */
const pieces = new RegExp(`${escape}\\[([?\\d;]*)([A-Za-z])|\\r|\\n|[^${escape}\\r\\n]`, "gu");

/**
 * What a terminal shows after all that was written to it, scrolled lines first:
 * an emulator of as much as a command line uses (line breaks, wrapping, moving
 * up, down and to a column, erasing).
 */
export function shownOn({ columns, rows }: { columns: number; rows: number }, written: string): string[] {
  const lines: string[][] = [[]];
  let row = 0;
  let column = 0;
  const top = () => Math.max(0, lines.length - rows);
  const down = () => {
    row += 1;
    if (row === lines.length) lines.push([]);
  };
  const put = (text: string) => {
    const width = stringWidth(text);
    if (column + width > columns) {
      down();
      column = 0;
    }
    const line = (lines[row] ??= []);
    while (line.length < column) line.push(" ");
    line.splice(column, width, text, ...Array.from({ length: width - 1 }, () => ""));
    column += width;
  };
  const control: Readonly<Record<string, (amount: number) => void>> = {
    A: (amount) => {
      row = Math.max(top(), row - (amount || 1));
    },
    B: (amount) => {
      row = Math.min(lines.length - 1, row + (amount || 1));
    },
    C: (amount) => {
      column = Math.min(columns - 1, column + (amount || 1));
    },
    D: (amount) => {
      column = Math.max(0, column - (amount || 1));
    },
    G: (amount) => {
      column = (amount || 1) - 1;
    },
    J: () => {
      lines.splice(row + 1);
      lines[row]?.splice(column);
    },
    K: () => {
      lines[row]?.splice(column);
    },
  };
  const parts = written.matchAll(pieces);
  for (const [text, parameter, letter] of parts) {
    if (letter !== undefined) control[letter]?.(Number.parseInt(parameter ?? "", 10) || 0);
    else if (text === "\r") column = 0;
    else if (text === "\n") down();
    else put(text);
  }
  return lines.map((line) => line.join("").trimEnd());
}
