import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openSandbox } from "../../../services/worker/sandbox/open-sandbox.ts";
import { asRoot, SandboxUnderTest } from "./sandboxed-run.ts";

let under: SandboxUnderTest;

beforeAll(async () => {
  under = await SandboxUnderTest.open({ firstUid: 42_000, backend: "process" });
});

afterEach(() => {
  under.checkEmpty();
});

afterAll(async () => {
  await under.close();
});

const exited = (code: number) => ({ kind: "exited", code });

test("is refused unless it is allowed", async () => {
  const { directory } = under;
  const opened = await openSandbox({ backend: "process", allowUnsafeProcess: false, directory, slots: 1 });
  expect(opened).toMatchObject({ kind: "unusable", mend: "ALLOW_UNSAFE_PROCESS=1" });
});

test("says that it does not isolate", () => {
  expect(under.sandbox.report.missing.join()).toContain("not isolated");
});

test("runs a program in a home of its own and collects what it leaves", async () => {
  const { end, stdout, artifacts } = await under.python(
    "import os\nopen('output/x', 'w').write('y')\nprint(os.getcwd() == os.environ['HOME'], 'VITEST' in os.environ)",
  );
  expect(end).toEqual(exited(0));
  expect(stdout).toBe("True False\n");
  expect(artifacts.map(({ path }) => path)).toEqual(["x"]);
});

test("shows a mount under its real path", async () => {
  const mounts = [{ source: "/usr/share", target: "/shared" }];
  await using program = await under.start({
    command: ({ at }) => ["/bin/test", "-d", at("/shared/doc")],
    mounts,
  });
  expect(await program.exited).toEqual(exited(0));
});

test.runIf(asRoot)("20: a daemon does not outlive the program", async () => {
  expect(await under.shell("setsid sleep 60 & echo done")).toMatchObject({
    end: exited(0),
    stdout: "done\n",
  });
});

test.runIf(asRoot)("2: a fork bomb ends with its wall time", async () => {
  const { end } = await under.shell(":(){ :|:& };: ; sleep 60", { limits: { wallMs: 700 } });
  expect(end).toEqual({ kind: "limit", which: "wall_time" });
});

test("5: a program that takes too much memory is noticed", async () => {
  const source = "import time\nheld = bytearray(b'x') * (300 << 20)\ntime.sleep(30)";
  expect(await under.python(source)).toMatchObject({ end: { kind: "limit", which: "memory" } });
});

test("31: no rights by a setuid program", async () => {
  expect(await under.shell("grep NoNewPrivs /proc/self/status")).toMatchObject({
    stdout: "NoNewPrivs:\t1\n",
  });
});

test("a command that does not exist exits as in a shell", async () => {
  await using program = await under.start({ command: () => ["/no/such/program"] });
  expect(await program.exited).toEqual(exited(127));
});
