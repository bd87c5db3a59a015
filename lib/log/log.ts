import { type Logger, pino } from "pino";
import { inOurNames } from "../config/seed-names.ts";

export type { Logger } from "pino";

/** Fields that never reach a log line, wherever they stand one or two levels deep. */
const secretFields = [
  "authorization",
  "password",
  "secret",
  "clientSecret",
  "client_secret",
  "token",
  "accessToken",
  "answer",
  "env",
];

/**
 * The log of one service: JSON lines on standard error.
 *
 * The message is a fixed phrase; what varies is a field (`runId`, `taskId`,
 * `attempt`, `workerId`, `rpc`, `durationMs`, `err`). Unless it is given,
 * `LOG_LEVEL`, or what the seeds have for it, sets the level; `info` when unset.
 */
export function logger(service: string, level = inOurNames(process.env).env["LOG_LEVEL"] ?? "info"): Logger {
  return pino(
    {
      level,
      base: { service },
      redact: {
        paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: "[redacted]",
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
