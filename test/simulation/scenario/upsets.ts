import type { Random } from "../world/random.ts";

/** Something that goes wrong at a moment, for a while. */
export type Upset = { readonly atMs: number } & (
  | {
      /**
       * `crash`: the process dies, and is started again after a while.
       * `stop`: it is told to end, and is started again.
       * `pause`: SIGSTOP, and SIGCONT after a while.
       * `cut`: nothing reaches it, and it reaches nothing.
       * `replace`: it is stopped by SIGSTOP, another is started in its place, and it goes on after a while.
       */
      readonly kind: "crash" | "stop" | "pause" | "cut" | "replace";
      readonly name: string;
      readonly forMs: number;
    }
  | { readonly kind: "broker_down" | "database_down"; readonly forMs: number }
  | { readonly kind: "broker_flushed" }
  | { readonly kind: "broker_stale"; readonly byMs: number }
);

/** Draws what goes wrong before `calmAtMs`. */
export function drawnUpsets(
  random: Random,
  names: {
    readonly scheduler: readonly string[];
    readonly worker: readonly string[];
    readonly taskio: readonly string[];
  },
  calmAtMs: number,
): Upset[] {
  const count = random.pick([0, 1, 2, 3, 4, 6]);
  return Array.from({ length: count }, () => drawnUpset(random, names, random.between(500, calmAtMs)));
}

function drawnUpset(
  random: Random,
  names: {
    readonly scheduler: readonly string[];
    readonly worker: readonly string[];
    readonly taskio: readonly string[];
  },
  atMs: number,
): Upset {
  const forMs = random.chance(0.5) ? random.between(50, 2_000) : random.between(2_000, 15_000);
  if (random.chance(0.25)) {
    return random.pick<Upset>([
      { kind: "broker_down", atMs, forMs: forMs / 2 },
      { kind: "broker_flushed", atMs },
      { kind: "broker_stale", atMs, byMs: random.between(10, 4_000) },
      { kind: "database_down", atMs, forMs: forMs / 2 },
    ]);
  }
  const service = random.pick(["scheduler", "scheduler", "worker", "worker", "taskio"] as const);
  const kind = random.pick(["crash", "crash", "pause", "pause", "cut", "stop"] as const);
  const isReplaced = kind === "pause" && service === "worker" && random.chance(0.3);
  return { kind: isReplaced ? "replace" : kind, atMs, name: random.pick(names[service]), forMs };
}
