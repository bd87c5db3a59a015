/*
 * Looks for the first seed that shows each planted bug, and prints the table of
 * README.md: node test/simulation/find-plants.ts [name …]
 */
import { plants } from "./plants.ts";
import { simulatedSeeds } from "./simulated-seeds.ts";

const wanted = process.argv.slice(2);

for (const { name, title } of plants) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { violation } = await simulatedSeeds("--plant", name, "--from", "1", "--count", "3000");
  const found = violation === undefined ? "none | nothing" : `${violation.seed} | ${violation.checker}`;
  process.stdout.write(`| \`${name}\`: ${title} | ${found} |\n`);
}
