/** What the command line ends with. */
export const exitCode = {
  ok: 0,
  /** The task or run failed, or anything else went wrong. */
  failed: 1,
  usage: 2,
  notFound: 3,
  /** No credentials, or they are not good for this. */
  unauthenticated: 4,
  /** No server was found, or it does not answer. */
  unreachable: 5,
  /** The task took longer than it may. */
  timedOut: 124,
  /** Interrupted, or the task or run was cancelled. */
  interrupted: 130,
  /** Whoever read the output has gone, as a program that is ended by SIGPIPE. */
  outputClosed: 141,
} as const;

/** One of the numbers above. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** The table as `--help` shows it. */
export const exitCodeHelp = `
Exit codes:
  0    done; the task or run completed
  1    the task or run failed, or anything else went wrong
  2    the command line is wrong
  3    there is no such task, run, workflow, schedule, question or client
  4    the credentials are missing, wrong, or not good for this
  5    there is no server, or it does not answer
  124  the task took longer than it may
  130  interrupted, or the task or run was cancelled
`;
