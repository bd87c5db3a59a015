/*
 * Simulates seeds:
 *
 *   npm run simulate -- --seed 123 [--plant NAME]           one, and tells its story
 *   npm run simulate -- --from 1 --count 1000 [--budget-ms 45000] [--plant NAME]
 *
 * Prints a line per violation with the command that reproduces it, and at the
 * end a line of JSON with the counts. Ends with 1 when there was a violation.
 */
import { parseArgs } from "node:util";
import { plants } from "./plants.ts";
import { loadStandIns } from "./stand-ins.ts";
import { replaceGlobals } from "./world/virtual-globals.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    count: { type: "string", default: "1000" },
    /** Every so many-th seed, so that several processes share a range. */
    step: { type: "string", default: "1" },
    "budget-ms": { type: "string", default: "600000" },
    plant: { type: "string" },
    /** Tells the digests of stories. */
    digests: { type: "boolean", default: false },
  },
});

const plant = plants.find(({ name }) => name === values.plant);
if (values.plant !== undefined && plant === undefined) throw new Error(`there is no plant ${values.plant}`);
loadStandIns(plant?.changes ?? []);
const now = performance.now.bind(performance);
replaceGlobals();
const { simulate } = await import("./simulation.ts");

if (values.seed === undefined) await simulateMany();
else await simulateOne(Number(values.seed));

async function simulateOne(seed: number): Promise<void> {
  const { story, violation, digest } = await simulate(seed, { isTold: true });
  for (const line of story) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `${violation === undefined ? "everything held" : `${violation.checker}: ${violation.message}`} (${digest})\n`,
  );
  process.exitCode = violation === undefined ? 0 : 1;
}

async function simulateMany(): Promise<void> {
  const startedMs = now();
  const [from, count, step, budgetMs] = [values.from, values.count, values.step, values["budget-ms"]].map(
    Number,
  );
  let [seeds, runs, events, virtualMs] = [0, 0, 0, 0];
  let violation: { readonly seed: number; readonly checker: string; readonly message: string } | undefined;
  const digests: Record<number, string> = {};
  for (let index = 0; index < (count ?? 0) && now() - startedMs < (budgetMs ?? 0); index += 1) {
    const seed = (from ?? 1) + index * (step ?? 1);
    const outcome = await simulate(seed, { isTold: values.digests });
    seeds += 1;
    runs += outcome.runs;
    events += outcome.events;
    virtualMs += outcome.virtualMs;
    if (values.digests) digests[seed] = outcome.digest;
    if (outcome.violation === undefined) continue;
    violation = { seed, ...outcome.violation };
    break;
  }
  if (violation !== undefined) {
    const command = `npm run simulate -- --seed ${violation.seed}${plant === undefined ? "" : ` --plant ${plant.name}`}`;
    process.stdout.write(`${violation.checker}: ${violation.message}\n  reproduce: ${command}\n`);
  }
  const elapsedMs = Math.round(now() - startedMs);
  const summary = { seeds, runs, events, virtualMs: Math.round(virtualMs), elapsedMs, violation, digests };
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  process.exitCode = violation === undefined ? 0 : 1;
}
