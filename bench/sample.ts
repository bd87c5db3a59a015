/** The value below which a share of the samples lies; 0.5 is the median. NaN when there are none. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Measures one after the other and answers all samples. */
export async function repeated(times: number, measure: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let turn = 0; turn < times; turn += 1) samples.push(await measure());
  return samples;
}
