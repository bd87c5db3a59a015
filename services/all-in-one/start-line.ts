import { parseArgs } from "node:util";
import type { RunOptions } from "./run.ts";

/** What the line that starts the server asks for. */
export type StartLine =
  | { readonly kind: "start"; readonly options: RunOptions }
  /** There is only something to be said: the help (0), or what is wrong with the line (2). */
  | { readonly kind: "said"; readonly text: string; readonly exitCode: 0 | 2 };

const usage = "usage: npm start -- [--host HOST] [--port PORT] [--data-dir FOLDER]";

const help = `${usage}

  --host HOST        where to listen (API_HOST; 127.0.0.1)
  --port PORT        on which port (API_PORT; 8000)
  --data-dir FOLDER  where everything is kept (ANTIPHON_DATA_DIR; .antiphon)
  --help             this text

Everything else is told by variables: deploy/*.env.example lists them, and a .env file here is read.`;

/** Reads the arguments of the line that starts the server. */
export function readStartLine(args: readonly string[]): StartLine {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        host: { type: "string" },
        port: { type: "string" },
        "data-dir": { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) return { kind: "said", text: help, exitCode: 0 };
    return {
      kind: "start",
      options: { host: values.host, port: values.port, dataDir: values["data-dir"] },
    };
  } catch (error) {
    if (!(error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")))
      throw error;
    const [why] = error.message.split(". ", 1);
    return { kind: "said", text: `antiphon: ${why}\n${usage}`, exitCode: 2 };
  }
}
