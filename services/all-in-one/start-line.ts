import { parseArgs } from "node:util";
import type { RunOptions } from "./run.ts";

/** What the line that starts the server asks for. */
export type StartLine =
  | { readonly kind: "start"; readonly options: RunOptions }
  /** There is only something to be said: the help (0), or what is wrong with the line (2). */
  | { readonly kind: "said"; readonly text: string; readonly exitCode: 0 | 2 };

const usage = `usage: npm start -- [--host HOST] [--port PORT] [--data-dir FOLDER]
                    [--tls-cert FILE --tls-key FILE [--tls-client-ca FILE]]`;

const help = `${usage}

  --host HOST        where to listen (API_HOST; 127.0.0.1)
  --port PORT        on which port (API_PORT; 8000)
  --data-dir FOLDER  where everything is kept (ANTIPHON_DATA_DIR; .antiphon)
  --tls-cert FILE    speak HTTPS with this certificate (TLS_CERT)
  --tls-key FILE     the certificate's key (TLS_KEY)
  --tls-client-ca FILE
                     ask every caller for a certificate of this authority (TLS_CLIENT_CA)
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
        "tls-cert": { type: "string" },
        "tls-key": { type: "string" },
        "tls-client-ca": { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) return { kind: "said", text: help, exitCode: 0 };
    return {
      kind: "start",
      options: {
        host: values.host,
        port: values.port,
        dataDir: values["data-dir"],
        tlsCert: values["tls-cert"],
        tlsKey: values["tls-key"],
        tlsClientCa: values["tls-client-ca"],
      },
    };
  } catch (error) {
    if (!(error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")))
      throw error;
    const [why] = error.message.split(". ", 1);
    return { kind: "said", text: `antiphon: ${why}\n${usage}`, exitCode: 2 };
  }
}
