import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of one test process. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

const namePattern = /^antiphon-test-[a-z]+-(\d+)-/;

/**
 * Makes a folder for tests, removed when it is disposed of, at the latest when
 * the process exits. Folders of processes that were killed are removed first.
 */
export async function temporaryFolder(purpose: string): Promise<TemporaryFolder> {
  await removeAbandoned();
  const path = await mkdtemp(join(tmpdir(), `antiphon-test-${purpose}-${process.pid}-`));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  process.once("exit", remove);
  return {
    path,
    async [Symbol.asyncDispose]() {
      process.off("exit", remove);
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function removeAbandoned(): Promise<void> {
  const names = (await readdir(tmpdir())).filter(
    (name) => !isAlive(Number(namePattern.exec(name)?.[1] ?? process.pid)),
  );
  await Promise.all(
    names.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 3 })),
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
