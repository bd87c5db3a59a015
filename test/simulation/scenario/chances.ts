import type { Random } from "../world/random.ts";

/** How likely each small mishap is, for every single call, statement and publication. */
export interface Chances {
  /** A call between processes that never arrives. */
  callLost: number;
  /** A call that arrives twice. */
  callDoubled: number;
  /** A call that is carried out and whose answer is lost. */
  answerLost: number;
  /** A statement whose connection fails before Postgres has it. */
  statementRefused: number;
  /** A statement that is rolled back because its connection is lost. */
  statementAborted: number;
  /** A statement that is carried out although its connection is lost. */
  statementUnknown: number;
  /** A statement that reaches Postgres only after its caller was told that its connection is lost. */
  statementLate: number;
  /** A publication that the broker confirms and loses. */
  publicationLost: number;
  /** A publication that stands in its stream twice. */
  publicationDoubled: number;
  /** A publication that stands in its stream later than it was confirmed, and after what followed it. */
  publicationDelayed: number;
  /** A request to the broker that fails, done or not. */
  brokerRefused: number;
  /** Anything that takes long. */
  slow: number;
}

const highest: Readonly<Chances> = {
  callLost: 0.03,
  callDoubled: 0.05,
  answerLost: 0.03,
  statementRefused: 0.01,
  statementAborted: 0.01,
  statementUnknown: 0.03,
  statementLate: 0.02,
  publicationLost: 0.05,
  publicationDoubled: 0.12,
  publicationDelayed: 0.08,
  brokerRefused: 0.02,
  slow: 0.03,
};

/** Draws which mishaps a world has; many have only some. */
export function drawnChances(random: Random): Chances {
  const drawn = { ...highest };
  for (const name of Object.keys(drawn) as (keyof Chances)[]) {
    drawn[name] = random.chance(0.5) ? 0 : highest[name] * random.between(0.2, 1);
  }
  return drawn;
}

/** Ends all mishaps. */
export function calm(chances: Chances): void {
  for (const name of Object.keys(chances) as (keyof Chances)[]) chances[name] = 0;
}

/** How long something takes that usually takes between these, in milliseconds. */
export function latency(
  random: Random,
  chances: Pick<Chances, "slow">,
  { low, high }: { readonly low: number; readonly high: number },
): number {
  return random.chance(chances.slow) ? random.between(high, 400) : random.between(low, high);
}
