import type { Check } from "./finding.ts";

const neededMajor = 24;

/** The Node that services and this command line run on. */
export const checkNode: Check = async () => {
  const major = Number(process.versions.node.split(".")[0]);
  return major >= neededMajor
    ? { name: "node", status: "ok", detail: `${process.version} at ${process.execPath}` }
    : {
        name: "node",
        status: "missing",
        detail: `this is ${process.version}, and 24 is needed`,
        mend: "npm run setup",
      };
};
