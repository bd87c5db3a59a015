/** A change of one place in a source file. */
export interface PlantedChange {
  /** From the root of the repository. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that the simulation has to find. */
export interface Plant {
  readonly name: string;
  readonly changes: readonly PlantedChange[];
}

/** Bugs that are planted one at a time. */
export const plants: readonly Plant[] = [];
