import { runAllInOne } from "./run.ts";
import { readStartLine } from "./start-line.ts";

const line = readStartLine(process.argv.slice(2));
if (line.kind === "said") {
  process.stderr.write(`${line.text}\n`);
  process.exitCode = line.exitCode;
} else process.exitCode = await runAllInOne(line.options);
