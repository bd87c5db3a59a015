import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { EnvironmentError } from "./environment-error.ts";
import { unprivileged } from "./unprivileged.ts";

/** A Python that programs can use, whatever uid they run as. */
export interface Interpreter {
  readonly path: string;
  /** As in `3.11.2`. */
  readonly version: string;
  /** Operating system and architecture, as in `linux-x86_64`. */
  readonly platform: string;
  /** The folder that it is installed in, `/usr` or one of its own. */
  readonly prefix: string;
}

const oldestMinor = 10;

const probe = `
import json, sys, sysconfig, venv, ensurepip
print(json.dumps({
  "major": sys.version_info[0], "minor": sys.version_info[1], "prefix": sys.base_prefix,
  "version": ".".join(map(str, sys.version_info[:3])), "platform": sysconfig.get_platform(),
}))`;

/**
 * Finds the Python for programs: the one at `pythonPath`, else the system's,
 * else the first \`python3\` on PATH that an unprivileged uid can run.
 *
 * @throws EnvironmentError `PYTHON_UNAVAILABLE` with what is wrong with each.
 */
export async function findInterpreter(pythonPath: string | undefined, path: string): Promise<Interpreter> {
  const onPath = path.split(delimiter).map((folder) => join(folder, "python3"));
  const candidates = pythonPath === undefined ? ["/usr/bin/python3", ...onPath] : [pythonPath];
  const faults: string[] = [];
  for (const candidate of new Set(candidates)) {
    const found = await probed(candidate);
    if (typeof found !== "string") return found;
    faults.push(`${candidate}: ${found}`);
  }
  throw new EnvironmentError(
    "PYTHON_UNAVAILABLE",
    `no usable Python 3.${oldestMinor} or newer with venv; on Debian or Ubuntu: apt-get install python3-venv (${faults.join("; ")})`,
  );
}

async function probed(path: string): Promise<Interpreter | string> {
  try {
    const { stdout } = await promisify(execFile)(path, ["-I", "-c", probe], {
      ...unprivileged(),
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      timeout: 10_000,
    });
    const { major, minor, ...found } = JSON.parse(stdout);
    if (major !== 3 || minor < oldestMinor) return `it is Python ${found.version}`;
    return { path, ...found };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return text.trim().split("\n").at(-1) ?? text;
  }
}
