/** A step and what it waits for. */
export interface Step {
  readonly id: string;
  readonly dependencies: readonly string[];
}

/** Steps by the length of the longest way to them, each layer in the given order. What is no step of these is no dependency. */
export function layersOf<Item extends Step>(steps: readonly Item[]): Item[][] {
  const ids = new Map(steps.map((step) => [step.id, step]));
  const layers = new Map<string, number>();
  const entered = new Set<string>();
  // Without recursion: a chain may be as long as a workflow is.
  const open = [...steps].reverse();
  for (let step = open.at(-1); step !== undefined; step = open.at(-1)) {
    const unknown = step.dependencies.filter((id) => ids.has(id) && !layers.has(id) && !entered.has(id));
    entered.add(step.id);
    if (unknown.length === 0 || layers.has(step.id)) {
      const above = step.dependencies.map((id) => layers.get(id) ?? -1);
      layers.set(
        step.id,
        layers.get(step.id) ?? 1 + above.reduce((most, layer) => Math.max(most, layer), -1),
      );
      open.pop();
    } else {
      open.push(...unknown.flatMap((id) => ids.get(id) ?? []));
    }
  }
  const byLayer: Item[][] = [];
  for (const step of steps) (byLayer[layers.get(step.id) ?? 0] ??= []).push(step);
  return byLayer;
}
