import type { Reporter, TestModule } from "vitest/node";

/** Short list of tests that may be skipped under CI, by the start of their full name, each with its reason. */
const maySkip: Readonly<Record<string, string>> = {};

/** Ends the run with the plain line `N passed, N failed`; under `CI=true` a skip that `maySkip` does not list is a failure. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") count.passed += 1;
        if (state === "failed") count.failed += 1;
        if (state !== "skipped") continue;
        count.skipped += 1;
        const reason = Object.entries(maySkip).find(([name]) => test.fullName.startsWith(name))?.[1];
        process.stdout.write(`skipped: ${test.fullName}: ${reason ?? "for no listed reason"}\n`);
        if (reason === undefined && process.env["CI"] === "true") count.failed += 1;
      }
    }
    if (count.failed > 0) process.exitCode = 1;
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`);
  }
}
