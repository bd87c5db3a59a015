import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EnvironmentCache } from "./environment/cache.ts";
import { EnvironmentError } from "./environment/environment-error.ts";
import { installShim } from "./handlers/shim.ts";
import { openSandbox } from "./sandbox/open-sandbox.ts";
import type { Sandbox, Unusable } from "./sandbox/sandbox.ts";

/** Everything that programs are run with. Disposing of it ends what runs in it. */
export interface UsableIsolation extends AsyncDisposable {
  readonly kind: "usable";
  readonly sandbox: Sandbox;
  readonly environments: EnvironmentCache;
  /** The folder that holds our Python package, where every uid may read it. */
  readonly shimFolder: string;
}

/** How programs are isolated on this machine, or why they cannot be. */
export type Isolation = UsableIsolation | Unusable;

export interface IsolationOptions {
  readonly backend: "bubblewrap" | "process";
  readonly allowUnsafeProcess: boolean;
  /** Where slots, environments and our Python package lie; every uid must be able to traverse it when the worker is root. */
  readonly directory: string;
  /** As root: the uid of the first slot; 30,000 when unset. */
  readonly firstUid?: number;
  /** How many programs run at once. */
  readonly slots: number;
  /** The Python for programs; the system's when unset. */
  readonly pythonPath: string | undefined;
  /** What environments may take together, in bytes. */
  readonly environmentBytes: number;
}

/** Where programs' things lie unless told otherwise: outside any checkout or home folder that only root may enter. */
export function defaultProgramFolder(): string {
  return process.getuid?.() === 0 ? "/var/lib/antiphon" : join(homedir(), ".cache", "antiphon");
}

/** Opens what programs are run with, by trying it. Never falls back to less isolation. */
export async function openIsolation(options: IsolationOptions): Promise<Isolation> {
  const { directory, pythonPath } = options;
  if (options.slots === 0)
    return { kind: "unusable", reason: "PROGRAM_SLOTS is 0", mend: "set PROGRAM_SLOTS" };
  const opened = await openSandbox(options);
  if (opened.kind === "unusable") return opened;
  const { sandbox } = opened;
  try {
    const environments = await EnvironmentCache.open({
      directory,
      maxBytes: options.environmentBytes,
      allowUncontainedBuilds: options.backend === "process" && options.allowUnsafeProcess,
      ...(pythonPath !== undefined && { pythonPath }),
    });
    const source = fileURLToPath(new URL("../../sdk/python/src", import.meta.url));
    const shimFolder = await installShim({ source, directory });
    return {
      kind: "usable",
      sandbox,
      environments,
      shimFolder,
      [Symbol.asyncDispose]: async () => {
        await environments[Symbol.asyncDispose]();
        await sandbox[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    if (!(error instanceof EnvironmentError)) throw error;
    return { kind: "unusable", reason: error.message, mend: "apt-get install -y python3 python3-venv" };
  }
}
