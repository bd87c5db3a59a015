import { readFile } from "node:fs/promises";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

/** What is in a file that the user named. Throws CommandFailure when it can not be read. */
export async function fileContent(file: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    const what = code === "ENOENT" ? "there is no such file" : "it can not be read";
    throw new CommandFailure(`${file}: ${what}`, { exitCode: exitCode.usage, reason: code, cause });
  }
}
