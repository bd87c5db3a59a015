/*
 * Measures Antiphon beside its peers, on this machine, in one run:
 *
 *   npm run bench [-- --rounds 3] [--only SUBJECT]… [--json FILE] [--profile FOLDER] [--quick]
 *
 * The subjects take turns, round after round, so that whatever else the machine
 * does meets all of them. See README.md for what each figure means.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, release } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Measured } from "./figures.ts";
import { resultsOf, tableOf } from "./report.ts";
import { fullSize, quickSize } from "./size.ts";
import { Stage } from "./stage.ts";
import { type Subject, subjects, turn } from "./turns.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string", multiple: true },
    json: { type: "string" },
    profile: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});
const names = Object.keys(subjects) as Subject[];
const unknown = values.only?.find((name) => !names.some((subject) => subject === name));
if (unknown !== undefined) {
  process.stderr.write(`there is no subject ${unknown}; there are ${names.join(", ")}\n`);
  process.exit(2);
}
const chosen = names.filter((name) => values.only?.includes(name) ?? true);
const size = values.quick ? quickSize : fullSize;
const roundCount = values.quick ? 1 : Number(values.rounds);
const profileFolder = values.profile === undefined ? undefined : resolve(values.profile);
if (profileFolder !== undefined) await mkdir(profileFolder, { recursive: true });

const rounds: Measured[] = [];
await using stage = await Stage.open();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // The processes of the subjects end with this one.
  process.once(signal, () => {
    stage[Symbol.asyncDispose]().then(
      () => process.exit(1),
      () => process.exit(1),
    );
  });
}
const machine = {
  cpu: cpus()[0]?.model.trim() ?? "",
  cores: availableParallelism(),
  system: `${process.platform} ${release()} ${arch()}`,
  node: process.version,
  postgres: stage.postgresVersion,
};
process.stdout.write(
  `${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, Postgres ${machine.postgres} with fsync\n`,
);
for (let round = 1; round <= roundCount; round += 1) {
  for (const subject of chosen) {
    process.stderr.write(`round ${round} of ${roundCount}: ${subject}\n`);
    rounds.push(await turn(subject, stage, { size, profileFolder }));
  }
}
const results = resultsOf(rounds);
process.stdout.write(`${tableOf(results)}\n`);
if (values.json !== undefined) {
  const report = { at: new Date().toISOString(), machine, rounds: roundCount, size, results };
  await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
}
