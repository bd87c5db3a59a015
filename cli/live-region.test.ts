import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { shownOn } from "../test/support/terminal-screen.ts";
import { LiveRegion } from "./live-region.ts";
import { Screen } from "./screen.ts";

describe("LiveRegion", () => {
  test("is drawn over in place, with everything else above it", async () => {
    const { screen, written } = aScreen();
    const region = new LiveRegion(screen);
    region.draw(["one", "two"]);
    await screen.note("first");
    region.draw(["one", "two", "three"]);
    await screen.line("second");
    region.draw(["four"]);
    region.leave();
    await screen.note("after");
    expect(shownOn({ columns: 40, rows: 10 }, written())).toEqual(["first", "second", "four", "after", ""]);
  });

  test("is never wider or higher than the terminal", async () => {
    const { screen, written } = aScreen();
    const region = new LiveRegion(screen);
    for (let turn = 0; turn < 3; turn++) {
      region.draw(Array.from({ length: 30 }, (_, index) => `${index} ${"x".repeat(100)}`));
      await screen.note(`turn ${turn}`);
    }
    const lines = shownOn({ columns: 40, rows: 10 }, written());
    expect(lines.slice(0, 4)).toEqual(["turn 0", "turn 1", "turn 2", `0 ${"x".repeat(36)}…`]);
    expect(lines).toHaveLength(3 + 9 + 1);
  });

  test("is erased as high as a terminal made it that became narrower", () => {
    const { screen, written, resize } = aScreen();
    const region = new LiveRegion(screen);
    region.draw(["x".repeat(39)]);
    resize(20);
    region.draw(["y"]);
    expect(written()).toContain("\u001b[2A\r\u001b[J");
  });
});

/** A terminal of 40 × 10. */
function aScreen() {
  let text = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      // As a terminal's driver does.
      text += chunk.toString().replaceAll("\n", "\r\n");
      done();
    },
  });
  const terminal = Object.assign(stream, { isTTY: true, columns: 40, rows: 10 });
  const screen = new Screen({ stdout: terminal, stderr: terminal, env: { NO_COLOR: "1" } });
  return {
    screen,
    written: () => text,
    resize: (columns: number) => {
      terminal.columns = columns;
    },
  };
}
