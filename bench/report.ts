import { type Figure, type FigureName, figures, type Measured } from "./figures.ts";
import { quantile } from "./sample.ts";

/** What all rounds together say about one figure. */
export interface Result {
  readonly median: number;
  /** The least and the greatest of the rounds. */
  readonly least: number;
  readonly most: number;
  readonly unit: Figure["unit"];
  readonly goal?: string;
  /** The median divided by that of what it is compared with. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** The results by the names of their figures; those that no round measured are missing. */
export function resultsOf(rounds: readonly Measured[]): Partial<Record<FigureName, Result>> {
  const samplesOf = (name: FigureName) => rounds.flatMap((measured) => measured[name] ?? []);
  const results: Partial<Record<FigureName, Result>> = {};
  for (const name of Object.keys(figures) as FigureName[]) {
    const samples = samplesOf(name);
    if (samples.length === 0) continue;
    const { unit, against = [], goal }: Figure = figures[name];
    const median = quantile(samples, 0.5);
    const ratios = against.flatMap((other) => {
      const others = samplesOf(other);
      return others.length === 0 ? [] : [[other, median / quantile(others, 0.5)] as const];
    });
    results[name] = {
      median,
      least: Math.min(...samples),
      most: Math.max(...samples),
      unit,
      ...(goal !== undefined && { goal }),
      ratios: Object.fromEntries(ratios),
    };
  }
  return results;
}

/** The results as a table, a line for each figure. */
export function tableOf(results: Partial<Record<FigureName, Result>>): string {
  const rows = (Object.entries(results) as [FigureName, Result][]).map(([name, result]) => [
    figures[name].label,
    `${shown(result.median)} ${result.unit}`,
    `${shown(result.least)}–${shown(result.most)}`,
    Object.entries(result.ratios)
      .map(([other, ratio]) => `${ratio.toFixed(2)} × ${other}`)
      .join(", "),
    result.goal ?? "",
  ]);
  const table = [["figure", "median", "rounds", "ratio", "goal"], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function shown(value: number): string {
  if (value < 10) return value.toFixed(value < 1 ? 2 : 1);
  return Math.round(value).toLocaleString("en");
}
