import { runAllInOne } from "./run.ts";

process.exitCode = await runAllInOne();
