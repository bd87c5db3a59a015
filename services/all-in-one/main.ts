import { parseArgs } from "node:util";
import { runAllInOne } from "./run.ts";

const { values } = parseArgs({
  options: { host: { type: "string" }, port: { type: "string" }, "data-dir": { type: "string" } },
});

process.exitCode = await runAllInOne({ host: values.host, port: values.port, dataDir: values["data-dir"] });
