import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findInterpreter } from "../../services/worker/environment/interpreter.ts";
import { type Check, sayingOf } from "./finding.ts";

/** The Python that programs run on, with what environments are made with. */
export const checkPython: Check = async ({ env }) => {
  try {
    const { path, version } = await findInterpreter(env["PROGRAM_PYTHON"], env["PATH"] ?? "");
    return { name: "python", status: "ok", detail: `${version} with venv at ${path}` };
  } catch (error) {
    const mend = "apt-get install -y python3 python3-venv";
    return { name: "python", status: "missing", detail: `no program can run: ${sayingOf(error)}`, mend };
  }
};

/** What makes environments faster. */
export const checkUv: Check = async ({ env }) => {
  try {
    const { stdout } = await promisify(execFile)("uv", ["--version"], { env, timeout: 10_000 });
    return { name: "uv", status: "ok", detail: stdout.trim() };
  } catch {
    const mend = "see https://docs.astral.sh/uv/getting-started/installation/";
    return {
      name: "uv",
      status: "optional",
      detail: "not found; environments are made with venv and pip, more slowly",
      mend,
    };
  }
};
