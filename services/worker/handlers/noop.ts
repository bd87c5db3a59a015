import type { ShortHandler } from "./handler.ts";

/** Gives its config, in which the templates are replaced, as its output. */
export const noop: ShortHandler = {
  kind: "short",
  run: ({ assignment }) => ({ kind: "completed", output: assignment.config }),
};
