import type { Asker } from "./asker.ts";
import type { ExitCode } from "./exit-code.ts";
import { PipedAsker } from "./piped-asker.ts";
import { Screen } from "./screen.ts";
import { silentAsker } from "./silent-asker.ts";
import { TerminalAsker } from "./terminal-asker.ts";

/** What commands get of the process that they run in. */
export interface CommandContext {
  /** Where a command writes. */
  readonly screen: (options?: { readonly dataToStderr?: boolean }) => Screen;
  /** Who answers questions: the person at the terminal, or what is piped in. To be disposed of. */
  readonly asker: (screen: Screen) => Asker;
  /** The person at the terminal; nobody when there is none, whatever is piped in. To be disposed of. */
  readonly person: (screen: Screen) => Asker;
  /** Sets what the process ends with. */
  readonly endWith: (code: ExitCode) => void;
}

/** The context of this process. */
export function processContext(): CommandContext {
  return {
    screen: (options) =>
      new Screen({ stdout: process.stdout, stderr: process.stderr, env: process.env, ...options }),
    asker: (screen) =>
      process.stdin.isTTY
        ? new TerminalAsker(process.stdin, process.stderr, screen)
        : new PipedAsker(process.stdin, screen),
    person: (screen) =>
      process.stdin.isTTY && process.stderr.isTTY
        ? new TerminalAsker(process.stdin, process.stderr, screen)
        : silentAsker,
    endWith: (code) => {
      process.exitCode = code;
    },
  };
}
