import type { Places } from "./sandbox.ts";

/** Names below the program's home. */
export const outputFolder = "output";
export const resultFile = ".antiphon-result.json";

/** The kernel takes a good deal more; this leaves room for arguments. */
const longestEnvironment = 128 * 1024;

/**
 * The whole environment of a program: a few common names, what the spec
 * chooses, and the ANTIPHON_* names, which the spec cannot replace.
 *
 * Throws TypeError for a name that is none or a value with a zero byte, and
 * RangeError when all together are longer than 128 KiB.
 */
export function programEnvironment(
  { home, inputs }: Places,
  socket: string,
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new TypeError("an environment variable has an impossible name");
    if (value.includes("\0")) throw new TypeError(`environment variable ${name} has a zero byte`);
  }
  const environment = {
    HOME: home,
    LANG: "C.UTF-8",
    PATH: "/usr/local/bin:/usr/bin:/bin",
    ...variables,
    ANTIPHON_INPUT_DIR: inputs,
    ANTIPHON_OUTPUT_DIR: `${home}/${outputFolder}`,
    ANTIPHON_RESULT_FILE: `${home}/${resultFile}`,
    ANTIPHON_SOCKET: socket,
  };
  const length = Buffer.byteLength(Object.entries(environment).flat().join("==")) + 2;
  if (length > longestEnvironment) throw new RangeError("the environment is longer than 128 KiB");
  return environment;
}
