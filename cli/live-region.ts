/*
 * Lines at the bottom of a terminal that are drawn over and over in the same
 * place.
 *
 *   R1. What was drawn is erased before anything else is written, and drawn again
 *       below it: nothing of it is left above.
 *   R2. It is never higher or wider than the terminal; a terminal that became
 *       narrower has broken its lines, and they are erased as such.
 */
import stringWidth from "string-width";
import { cropped } from "./crop.ts";
import type { Screen } from "./screen.ts";

export class LiveRegion {
  readonly #screen: Screen;
  readonly #remove: () => void;
  #lines: readonly string[] = [];
  #drawn: readonly string[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#remove = screen.addBottom({ hide: () => this.#hide(), show: () => this.#show() });
  }

  /** Draws lines in place of those drawn before. What does not fit the terminal's height is left out at the end. */
  draw(lines: readonly string[]): void {
    this.#screen.change(() => {
      this.#lines = lines;
    });
  }

  /** Leaves what is drawn where it is, for good. */
  leave(): void {
    this.#remove();
  }

  #show(): void {
    const { columns, rows } = this.#screen.size;
    this.#drawn = this.#lines.slice(0, Math.max(1, rows - 1)).map((line) => cropped(line, columns - 1));
    this.#screen.paint(this.#drawn.map((line) => `${line}\n`).join(""));
  }

  #hide(): void {
    const { columns, rows } = this.#screen.size;
    const height = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns)),
      0,
    );
    this.#drawn = [];
    if (height > 0) this.#screen.paint(`\u001b[${Math.min(height, rows - 1)}A\r\u001b[J`);
  }
}
