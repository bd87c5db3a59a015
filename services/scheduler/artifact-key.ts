import { sha256 } from "./content-digest.ts";

/** What the keys of all files of a run begin with. */
export const artifactsOf = (runId: string): string => `artifacts/${runId}`;

/** Where a file that an attempt left behind is stored: its path is the user's and may hold anything, so its digest stands for it. */
export function artifactKey(file: {
  readonly runId: string;
  readonly nodeId: string;
  readonly attempt: number;
  readonly path: string;
}): string {
  return `${artifactsOf(file.runId)}/${file.nodeId}/${file.attempt}/${sha256(file.path)}`;
}
