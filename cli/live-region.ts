import type { Screen } from "./screen.ts";

/** Lines at the bottom of a terminal that are drawn over and over in the same place. */
export class LiveRegion {
  readonly #screen: Screen;
  #drawn = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Leaves what is drawn where it is; the next lines are drawn below. */
  leave(): void {
    this.#drawn = 0;
  }

  /** Draws lines in place of those drawn before. Each must fit the terminal's width. */
  draw(lines: readonly string[]): Promise<void> {
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\r`;
    this.#drawn = lines.length;
    return this.#screen.out(`${up}\u001b[J${lines.map((line) => `${line}\n`).join("")}`);
  }
}
