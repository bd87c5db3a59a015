/** Python's numbers and words for what pino calls otherwise. */
const pythonLevels: Readonly<Record<string, string>> = {
  "10": "debug",
  "20": "info",
  "30": "warn",
  "40": "error",
  "50": "fatal",
  warning: "warn",
  critical: "fatal",
  notset: "debug",
};

const levels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/** The level that a word names, in the seeds' ways to write it too: `INFO`, `WARNING`, `10`. Undefined when it names none. */
export function logLevel(text: string): string | undefined {
  const word = text.trim().toLowerCase();
  const level = pythonLevels[word] ?? word;
  return levels.includes(level) ? level : undefined;
}
