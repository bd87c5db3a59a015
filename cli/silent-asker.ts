import type { Answer, Asker } from "./asker.ts";

/** Nobody: for commands that ask nothing when there is no terminal. Reads nothing. */
export const silentAsker: Asker = {
  isPerson: false,
  ask: async (): Promise<Answer> => ({ kind: "nobody" }),
  [Symbol.dispose]: () => {},
};
