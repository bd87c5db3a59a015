import { readdirSync, readFileSync } from "node:fs";

/** The command lines of all processes of this machine, the words of each with a zero character behind them. */
export function everyCommandLine(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "latin1")];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
