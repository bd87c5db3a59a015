import { expect, test } from "vitest";
import { gated, sandboxOptions } from "./bubblewrap-arguments.ts";
import { defaultLimits } from "./limits.ts";

const slot = {
  name: "30000",
  folder: "/var/lib/antiphon/slots/30000",
  uid: 30_000,
  gid: 30_000,
  hasOwnUid: true,
};

const options = (given: Partial<Parameters<typeof sandboxOptions>[0]> = {}) =>
  sandboxOptions({ slot, limits: defaultLimits, mounts: [], inputNames: [], environment: {}, ...given });

/** What is mounted or made, in order. */
const targets = (argv: readonly string[]) =>
  argv.flatMap((word, index) => {
    if (["--ro-bind", "--symlink"].includes(word)) return [argv[index + 2] ?? ""];
    return ["--tmpfs", "--dir", "--proc", "--dev"].includes(word) ? [argv[index + 1] ?? ""] : [];
  });

test("shares no namespace, drops all rights and shares no network", () => {
  expect(options()).toEqual(
    expect.arrayContaining(["--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"]),
  );
  expect(options().join(" ")).toContain("--cap-drop ALL");
  expect(options()).not.toContain("--share-net");
});

test("binds nothing of the host writable", () => {
  expect(options().filter((word) => /^--(dev-)?bind/.test(word))).toEqual([]);
});

test("bounds every tmpfs", () => {
  const argv = options();
  const unbounded = argv.filter((word, index) => word === "--tmpfs" && argv[index - 2] !== "--size");
  expect(unbounded).toEqual([]);
});

test("makes the home last and seals what is around it", () => {
  const argv = options({ inputNames: ["main.py"], mounts: [{ source: "/srv/venv", target: "/venv" }] });
  expect(targets(argv).slice(-4)).toEqual(["/venv", "/box", "/box/output", "/box/main.py"]);
  expect(argv.indexOf("--remount-ro")).toBeGreaterThan(argv.lastIndexOf("--symlink"));
});

test.each([
  "/",
  "/box",
  "/box/venv",
  "/tmp/x",
  "/dev/shm/x",
  "/etc",
  "/usr/lib/x",
  "relative",
  "/a/../box",
  "/venv/",
])("refuses to mount at %s", (target) => {
  expect(() => options({ mounts: [{ source: "/srv", target }] })).toThrow(TypeError);
});

test("the environment begins empty", () => {
  const argv = options({ environment: { A: "1" } });
  expect(argv.slice(argv.indexOf("--clearenv"))).toEqual(["--clearenv", "--setenv", "A", "1"]);
});

test("the gate passes the command on as it is", () => {
  expect(gated(["a b", "$(c)"], ["--core=0"]).slice(-5)).toEqual([
    "/usr/bin/prlimit",
    "--core=0",
    "--",
    "a b",
    "$(c)",
  ]);
});
