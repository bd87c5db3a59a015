import { writeSync } from "node:fs";
import { openSandbox } from "../../../services/worker/sandbox/open-sandbox.ts";

/*
 * A worker in a process of its own, for tests that kill it: starts two
 * programs in `directory`, says that they run, and never ends by itself.
 */

const [directory = "", firstUid = "", backend = ""] = process.argv.slice(2);
const opened = await openSandbox({
  backend: backend === "process" ? "process" : "bubblewrap",
  allowUnsafeProcess: true,
  directory,
  slots: 2,
  firstUid: Number(firstUid),
});
if (opened.kind === "unusable") throw new Error(opened.reason);

const script = "(setsid sleep 600 &) ; echo running; while :; do sleep 600; done";
for (const runId of ["one", "two"]) {
  const program = await opened.sandbox.start({
    command: () => ["/bin/bash", "-c", script],
    inputs: new Map([["left-behind", Buffer.from("x")]]),
    network: "none",
    stdin: "open",
    start: { runId, taskId: runId, attempt: 1, input: null },
  });
  await new Promise((resolve) => program.stdout.once("data", resolve));
}
writeSync(1, "running\n");
setInterval(() => undefined, 60_000);
