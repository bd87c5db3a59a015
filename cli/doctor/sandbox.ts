import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { readConfig } from "../../services/worker/config.ts";
import { probeSandbox } from "../../services/worker/sandbox/open-sandbox.ts";
import { type Check, sayingOf } from "./finding.ts";

/** A uid that no worker's slots have, because opening slots ends what runs under their uids. */
const ownUid = 64_000;

/** Whether programs can be isolated, by running one. */
export const checkSandbox: Check = async ({ env }) => {
  try {
    const { isolation } = readConfig(env);
    await mkdir(isolation.directory, { recursive: true, mode: 0o755 });
    const directory = await mkdtemp(join(isolation.directory, "doctor-"));
    try {
      const probed = await probeSandbox({ ...isolation, directory, slots: 1, firstUid: ownUid });
      if (probed.kind === "unusable") {
        return {
          name: "sandbox",
          status: "missing",
          detail: `programs are refused: ${probed.reason}`,
          mend: probed.mend,
        };
      }
      const { backend, missing } = probed.report;
      const without = missing.length === 0 ? "" : `; without ${missing.join(", ")}`;
      return { name: "sandbox", status: "ok", detail: `${backend}${without}` };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  } catch (error) {
    return {
      name: "sandbox",
      status: "missing",
      detail: sayingOf(error),
      mend: "apt-get install -y bubblewrap",
    };
  }
};
