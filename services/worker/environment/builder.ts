import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { BuildLog } from "./build-log.ts";
import type { BuildPlaces, BuildSandbox, BuildStep } from "./build-sandbox.ts";
import { EnvironmentError } from "./environment-error.ts";
import type { EnvironmentSpec } from "./environment-spec.ts";
import type { IndexSettings } from "./index-settings.ts";
import type { Interpreter } from "./interpreter.ts";
import { packageOf } from "./requirement.ts";
import { unprivileged } from "./unprivileged.ts";

/** What is known of a finished environment; `environment.json` beside it. */
export interface EnvironmentRecord {
  readonly digest: string;
  readonly python: string;
  readonly requirements: readonly string[];
  /** What was installed, exactly: `name==version`. */
  readonly lock: readonly string[];
  readonly bytes: number;
}

/** What a build works with. */
export interface BuildNeeds {
  readonly interpreter: Interpreter;
  readonly sandbox: BuildSandbox;
  readonly settings: IndexSettings;
  /** PATH, on which `uv` is looked for. */
  readonly path: string;
  /** Where downloads are kept for later builds; the build's uid owns it. */
  readonly downloads: string;
}

const makeTimeoutMs = 60_000;
const fetchTimeoutMs = 15 * 60_000;
const importTimeoutMs = 2 * 60_000;
const compileTimeoutMs = 5 * 60_000;

/**
 * Builds an environment in `folder`, which is empty: `venv/` and its record.
 *
 * The steps: make, fetch (wheels only, so that no stranger's code runs while the
 * network is there), settle (an import that may change the environment, as
 * Waldiez patches ag2), compile, seal, and a trial import of what is sealed.
 *
 * @throws EnvironmentError `BUILD_FAILED` with the end of the output.
 */
export async function buildEnvironment(
  needs: BuildNeeds,
  {
    digest,
    spec,
    folder,
    log,
    signal,
  }: {
    readonly digest: string;
    readonly spec: EnvironmentSpec;
    readonly folder: string;
    readonly log: BuildLog;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { interpreter, sandbox, settings } = needs;
  const places: BuildPlaces = { venv: join(folder, "venv"), downloads: needs.downloads };
  await givenFolder(places.venv);
  await givenFolder(places.downloads);
  /** Runs a step and returns what it wrote; a quiet one is heard only when it fails. */
  const run = async (what: string, step: Omit<BuildStep, "onOutput">, { quiet = false } = {}) => {
    const said: Buffer[] = [];
    const onOutput = (chunk: Buffer) => (quiet ? said.push(chunk) : log.append(chunk));
    const succeeded = await sandbox.run({ ...step, onOutput }, places, signal);
    if (succeeded) return Buffer.concat(said).toString();
    for (const chunk of said) log.append(chunk);
    throw new EnvironmentError("BUILD_FAILED", `${what} failed:\n${log.tail}`);
  };
  const python = ({ venv }: BuildPlaces) => join(venv, "bin", "python");
  const trialImport = await readFile(new URL("trial-import.py", import.meta.url), "utf8");
  const importing = (at: BuildPlaces) => [
    python(at),
    "-I",
    "-c",
    trialImport,
    ...spec.requirements.map(packageOf),
  ];

  log.append(Buffer.from(`Installing ${spec.requirements.join(", ")} for Python ${interpreter.version}\n`));
  const uv = onPath("uv", needs.path);
  await run("making the environment", {
    command: ({ venv }) => [interpreter.path, "-I", "-m", "venv", ...(uv ? ["--without-pip"] : []), venv],
    venv: "writable",
    timeoutMs: makeTimeoutMs,
  });
  await run("installing the packages", {
    command: (at) => [...(uv ? uvInstall(uv, at) : pipInstall(at)), ...spec.requirements],
    variables: settings.variables,
    venv: "writable",
    fetch: { files: uv ? [...settings.files, uv] : settings.files },
    timeoutMs: fetchTimeoutMs,
  });
  await run(
    "the first import",
    { command: importing, venv: "writable", timeoutMs: importTimeoutMs },
    { quiet: true },
  );
  await run("compiling", {
    // Sealed files never change, so that Python need not compare times, which copies may lose.
    command: (at) => [
      python(at),
      ..."-I -m compileall -q -f -j 0 --invalidation-mode unchecked-hash".split(" "),
      join(at.venv, "lib"),
    ],
    venv: "writable",
    timeoutMs: compileTimeoutMs,
  }).catch((error: unknown) => {
    // Packages ship templates and tests that do not compile; what matters is imported next.
    if (signal.aborted || !(error instanceof EnvironmentError)) throw error;
  });
  await seal(places.venv);
  const printed = await run(
    "the trial import",
    { command: importing, venv: "read-only", timeoutMs: importTimeoutMs },
    { quiet: true },
  );
  const record: EnvironmentRecord = {
    digest,
    python: interpreter.version,
    requirements: spec.requirements,
    lock: JSON.parse(printed.trim().split("\n").at(-1) ?? ""),
    bytes: await bytesOf(places.venv),
  };
  await writeFile(join(folder, "environment.json"), `${JSON.stringify(record, undefined, 2)}\n`, {
    mode: 0o644,
  });
  log.append(Buffer.from(`Ready: ${record.lock.length} packages, ${Math.round(record.bytes / 1e6)} MB\n`));
}

function pipInstall({ venv, downloads }: BuildPlaces): readonly string[] {
  return [
    join(venv, "bin", "python"),
    ..."-I -m pip install --only-binary=:all: --no-compile --no-input".split(" "),
    ..."--disable-pip-version-check --progress-bar=off --cache-dir".split(" "),
    downloads,
  ];
}

function uvInstall(uv: string, { venv, downloads }: BuildPlaces): readonly string[] {
  return [
    uv,
    ..."pip install --no-config --only-binary=:all: --link-mode=copy --no-progress --cache-dir".split(" "),
    downloads,
    "--python",
    join(venv, "bin", "python"),
  ];
}

/** Makes a folder, if it is missing, in which the build's uid may write. */
async function givenFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const { uid, gid } = unprivileged();
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
  await chmod(path, 0o755);
}

/** Takes the environment from the build's uid and every right to write from everybody. */
async function seal(venv: string): Promise<void> {
  const run = promisify(execFile);
  if (unprivileged().uid !== undefined) await run("chown", ["-hR", "0:0", venv]);
  await run("chmod", ["-R", "u-s,g-s,a-w,a+rX", venv]);
}

async function bytesOf(folder: string): Promise<number> {
  const { stdout } = await promisify(execFile)("du", ["-s", "--block-size=1", folder]);
  return Number.parseInt(stdout, 10);
}

function onPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
