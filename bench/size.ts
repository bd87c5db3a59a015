/** How much is done in one turn. */
export interface Size {
  /** Runs that are kept in flight. */
  readonly inFlight: number;
  /** Runs before anything is measured, so that code is compiled and connections are made. */
  readonly warmUp: number;
  /** Runs of the fan in one measurement. */
  readonly runs: number;
  /** How often runs are accepted while the worker stands still, and then drained. */
  readonly dams: number;
  /** Runs of the chain. */
  readonly chains: number;
  /** Runs of a single node on an idle system. */
  readonly starts: number;
  /** Programs in the all-in-one. */
  readonly programs: number;
  /** How long the all-in-one idles before its memory is read, in milliseconds. */
  readonly idleMs: number;
}

export const fullSize: Size = {
  inFlight: 1_000,
  warmUp: 1_500,
  runs: 3_000,
  dams: 3,
  chains: 50,
  starts: 200,
  programs: 10,
  idleMs: 5_000,
};

/** Shows that everything works; its figures mean nothing. */
export const quickSize: Size = {
  inFlight: 50,
  warmUp: 10,
  runs: 50,
  dams: 1,
  chains: 2,
  starts: 5,
  programs: 1,
  idleMs: 0,
};
