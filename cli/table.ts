import stringWidth from "string-width";
import { plainText } from "./plain-text.ts";

/** Rows under headings, each column as wide as its widest cell; a line each. Cells are shown without control characters or line breaks. */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [headings, ...rows].map((row) => row.map((cell) => plainText(cell).replaceAll(/\s+/g, " ")));
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => stringWidth(row[column] ?? ""))));
  return cells.map((row) =>
    row
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Fills text with spaces to so many columns of a terminal. */
export function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}
