import { constants } from "node:os";

/** What asks a process to end: Ctrl-C, a supervisor, a terminal that closes. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Resolves with the name of the first signal that asks this process to end. A
 * second one ends it at once, with the exit status that the signal would have
 * given, for whoever does not want to wait.
 */
export function untilSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = false;
  for (const signal of signals) {
    process.on(signal, () => {
      if (asked) process.exit(128 + constants.signals[signal]);
      asked = true;
      resolve(signal);
    });
  }
  return promise;
}
