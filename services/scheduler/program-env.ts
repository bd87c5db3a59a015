import { storedSecrets } from "../../lib/seal/stored-secret.ts";

/** What a program finds in its environment besides the usual: values by name. */
export type ProgramEnv = Readonly<Record<string, string>>;

/** The file of a task with its environment. */
export interface TaskProgram {
  readonly content: Uint8Array;
  readonly env: ProgramEnv;
}

/** The same as both are stored with a run. */
export interface StoredProgram {
  readonly content: Uint8Array;
  /** Sealed for what it is stored with; undefined when there is none. */
  readonly sealedEnv: Uint8Array | undefined;
}

/** Seals environments for the one run or schedule that they are stored with. */
export interface EnvSeal {
  /** Undefined when there is nothing to seal. */
  seal(env: ProgramEnv, belongsTo: string): Uint8Array | undefined;
  /** Throws when it was not sealed for that, or with another secret. */
  open(sealed: Uint8Array | undefined, belongsTo: string): ProgramEnv;
}

/** Seals with the secret of the installation. */
export function envSeal(secretKey: string): EnvSeal {
  const secrets = storedSecrets({ secretKey, purpose: "program environment" });
  return {
    seal(env, belongsTo) {
      return Object.keys(env).length === 0 ? undefined : secrets.seal(JSON.stringify(env), belongsTo);
    },
    open(sealed, belongsTo) {
      return sealed === undefined ? {} : (JSON.parse(secrets.open(sealed, belongsTo)) as ProgramEnv);
    },
  };
}
