import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, extname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Who may import whom, besides itself. The whole architecture is this table. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  lib: ["gen"],
  "services/auth": ["lib", "gen"],
  "services/gateway": ["lib", "gen", "package.json"],
  "services/scheduler": ["lib", "gen"],
  "services/taskio": ["lib", "gen"],
  "services/worker": ["lib", "gen"],
  "services/all-in-one": ["services", "lib", "gen", "package.json"],
  "sdk/typescript": ["gen"],
  cli: ["sdk/typescript", "services", "lib", "gen", "package.json"],
  bench: ["sdk/typescript", "lib", "gen"],
  scripts: ["services", "lib", "gen"],
};

/** Who may import a package that stands for something we hide behind a port: path prefixes. Tests may import any. */
const onlyIn: Readonly<Record<string, readonly string[]>> = {
  // The bare pipe is what is left without us.
  postgres: ["lib/postgres/", "bench/bare-pipe"],
  ioredis: ["lib/broker/", "bench/bare-pipe"],
  pino: ["lib/log/"],
  jose: ["lib/rpc/", "services/auth/"],
  ws: ["services/gateway/websocket/"],
  commander: ["cli/"],
  "@marcbachmann/cel-js": ["services/scheduler/core/condition-parser.ts"],
  croner: ["services/scheduler/core/cron.ts"],
  re2js: ["services/scheduler/core/pattern.ts", "services/gateway/edge/origins.ts"],
  undici: ["lib/outbound/"],
  "@connectrpc": [
    "lib/rpc/",
    "sdk/typescript/",
    "cli/",
    "services/gateway/",
    // Handlers, and the composition that hands them routes and transports.
    "services/auth/rpc/",
    "services/auth/service.ts",
    "services/scheduler/rpc/",
    "services/scheduler/scheduler.ts",
    "services/taskio/rpc/",
    "services/taskio/service.ts",
    "services/taskio/taskio.ts",
    "services/worker/worker.ts",
    // Calls to other processes.
    "services/scheduler/peers.ts",
    "services/worker/scheduler-client.ts",
    "scripts/health.ts",
  ],
};

/** Where the environment may be read: processes' entry points, which hand it to a `config.ts`, and what has none. */
const readsEnvironment = [
  /^services\/[a-z-]+\/(main|run)\.ts$/,
  /^cli\//,
  /^scripts\//,
  /^bench\//,
  // A user's program.
  /^sdk\/typescript\//,
  // LOG_LEVEL, the same everywhere.
  /^lib\/log\/log\.ts$/,
  // Processes that others wrote are started with it.
  /^lib\/(broker|postgres|process)\//,
  // What pip on the machine uses decides how environments are built.
  /^services\/worker\/environment\/cache\.ts$/,
];

/** Names that would fit any file. */
const emptyNames = [
  "utils",
  "util",
  "helpers",
  "types",
  "interfaces",
  "index",
  "constants",
  "common",
  "misc",
];

interface Import {
  readonly file: string;
  readonly specifier: string;
}

const sources = ["bench", "cli", "gen", "lib", "scripts", "sdk/typescript", "services", "test"].flatMap(
  filesBelow,
);
const written = sources.filter((file) => !file.startsWith("gen/"));
const imports: readonly Import[] = sources.flatMap((file) =>
  specifiersIn(textOf(file)).map((specifier) => ({ file, specifier })),
);
const relative = imports.filter(({ specifier }) => specifier.startsWith("."));
const outside = imports.filter(
  ({ specifier }) => !specifier.startsWith(".") && !specifier.startsWith("node:"),
);

describe("imports", () => {
  test("are found in every form", () => {
    const text = [
      'import "a";',
      'import b from "b";',
      "import {",
      "  c,",
      '} from "c";',
      'import type { D } from "d";',
      'export { e } from "e";',
      'export * from "f";',
      'await import("g");',
    ];
    expect(specifiersIn(text.join("\n"))).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
  });

  test("go only where the table allows", () => {
    const forbidden = relative.filter((imported) => !isAllowed(imported)).map(shown);
    expect(forbidden).toEqual([]);
  });

  test("name the file with its extension", () => {
    const vague = relative.filter(({ specifier }) => ![".ts", ".json"].includes(extname(specifier)));
    expect(vague.map(shown)).toEqual([]);
  });

  test("reach what is hidden behind a port only there", () => {
    const forbidden = outside.filter(({ file, specifier }) => {
      const places = onlyIn[packageOf(specifier)] ?? onlyIn[packageOf(specifier).split("/")[0] ?? ""];
      return places !== undefined && !isTest(file) && !places.some((place) => file.startsWith(place));
    });
    expect(forbidden.map(shown)).toEqual([]);
  });

  test("outside of tests and benchmarks are of packages that are installed in production", () => {
    const { dependencies } = JSON.parse(textOf("package.json")) as { dependencies: Record<string, string> };
    const missing = outside.filter(
      ({ file, specifier }) =>
        !isTest(file) && !file.startsWith("bench/") && dependencies[packageOf(specifier)] === undefined,
    );
    expect(missing.map(shown)).toEqual([]);
  });

  test("of the scheduler's core are its own files, what names ids and refusals, and libraries without I/O or clock", () => {
    const pure = /^\.\/|\/lib\/(errors|ids)\/|^(@marcbachmann\/cel-js|croner|re2js)$/;
    const impure = imports.filter(
      ({ file, specifier }) =>
        file.startsWith("services/scheduler/core/") && !isTest(file) && !pure.test(specifier),
    );
    expect(impure.map(shown)).toEqual([]);
  });

  test("never take anything from an entry point, which has no exports", () => {
    const entered = relative.filter(
      ({ file, specifier }) => basename(specifier) === "main.ts" && !isTest(file) && !file.startsWith("cli/"),
    );
    expect(entered.map(shown)).toEqual([]);
  });
});

describe("files", () => {
  test("have names of their own, in kebab-case", () => {
    const badly = written.filter((file) => {
      const name = basename(file).replace(/\.(test|suite)?\.?ts$/, "");
      return emptyNames.includes(name) || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name);
    });
    expect(badly).toEqual([]);
  });

  test("read the environment only at entry points", () => {
    const readers = written.filter(
      (file) =>
        /\bprocess\.env\b/.test(textOf(file)) &&
        !isTest(file) &&
        !readsEnvironment.some((place) => place.test(file)),
    );
    expect(readers).toEqual([]);
  });

  test("say in every service what it decides, owns and promises", () => {
    const silent = readdirSync(join(root, "services")).filter((service) => {
      return !readdirSync(join(root, "services", service)).includes("README.md");
    });
    expect(silent).toEqual([]);
  });
});

/** Whether the table lets a file import another of ours. */
function isAllowed({ file, specifier }: Import): boolean {
  const from = unitOf(file);
  const to = unitOf(posix.join(dirname(file), specifier));
  if (from === to || from === "test") return true;
  // A test beside the source leans on what all tests share.
  if (to === "test") return isTest(file) && specifier.includes("/test/support/");
  return (mayImport[from] ?? []).some((allowed) => to === allowed || to.startsWith(`${allowed}/`));
}

/** The part of the tree that a path belongs to, as the table names it. */
function unitOf(path: string): string {
  const parts = path.split("/");
  return parts[0] === "services" || parts[0] === "sdk" ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
}

function isTest(file: string): boolean {
  return file.startsWith("test/") || /\.(test|suite)\.ts$/.test(file);
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function specifiersIn(text: string): string[] {
  const forms = /^(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...text.matchAll(forms)].flatMap(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? []);
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => posix.join(folder, name));
}

function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

function shown({ file, specifier }: Import): string {
  return `${file} imports ${specifier}`;
}
