#!/usr/bin/env -S node --
/*
 * Starts the command line on the Node that this repository pins.
 *
 * Plain JavaScript, because it is the one file that must also run on a machine's
 * own, older Node, which can not read TypeScript. Under `npx` and `npm` the
 * pinned Node comes first on PATH and the command line is simply loaded.
 *
 * Node takes an `--env-file` for its own wherever it stands before a `--`, so
 * there is one before all that is the user's.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { arch, constants, platform } from "node:os";
import process from "node:process";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major > 22 || (major === 22 && minor >= 18)) {
  await import("./antiphon.ts");
} else {
  restartOnPinnedNode();
}

function restartOnPinnedNode() {
  const node = pinnedNode();
  if (node === undefined) {
    process.stderr.write(
      `error: antiphon needs Node 24, and this is ${process.version}\nhint: npm run setup, or install Node 24\n`,
    );
    process.exitCode = 1;
    return;
  }
  const commandLine = [new URL("antiphon.ts", import.meta.url).pathname, ...process.argv.slice(2)];
  const child = spawn(node, ["--", ...commandLine], { stdio: "inherit" });
  // The terminal sends Ctrl-C to both processes, and what it means is the child's to say.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}

function pinnedNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-${platform()}-${arch()}/bin/node`);
  } catch {
    return undefined;
  }
}
