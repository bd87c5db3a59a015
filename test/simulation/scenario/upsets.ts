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

type Names = Readonly<Record<"scheduler" | "worker" | "taskio", readonly string[]>>;

/** Draws what goes wrong before `calmAtMs`: anything, or much of one kind. */
export function drawnUpsets(random: Random, names: Names, calmAtMs: number): Upset[] {
  const theme = random.pick(["mixed", "mixed", "owners", "owners", "workers", "stores"] as const);
  const count = theme === "mixed" ? random.pick([0, 1, 2, 3, 5]) : random.whole(2, 8);
  return Array.from({ length: count }, () => {
    const atMs = random.between(500, calmAtMs);
    const forMs = random.chance(0.5) ? random.between(50, 2_000) : random.between(2_000, 15_000);
    const isOfStores = theme === "stores" ? 0.8 : theme === "mixed" ? 0.25 : 0.05;
    if (random.chance(isOfStores)) return storeUpset(random, atMs, forMs / 3);
    if (theme === "owners" && random.chance(0.9))
      return processUpset(random, "scheduler", { names, atMs, forMs });
    if (theme === "workers" && random.chance(0.9))
      return processUpset(random, "worker", { names, atMs, forMs });
    const service = random.pick(["scheduler", "scheduler", "worker", "worker", "taskio"] as const);
    return processUpset(random, service, { names, atMs, forMs });
  });
}

function storeUpset(random: Random, atMs: number, forMs: number): Upset {
  return random.pick<Upset>([
    { kind: "broker_down", atMs, forMs },
    { kind: "broker_flushed", atMs },
    { kind: "broker_stale", atMs, byMs: random.between(10, 4_000) },
    { kind: "database_down", atMs, forMs },
  ]);
}

function processUpset(
  random: Random,
  service: keyof Names,
  { names, atMs, forMs }: { readonly names: Names; readonly atMs: number; readonly forMs: number },
): Upset {
  const kind = random.pick(["crash", "crash", "pause", "pause", "cut", "stop"] as const);
  const isReplaced = kind === "pause" && service === "worker" && random.chance(0.3);
  return { kind: isReplaced ? "replace" : kind, atMs, name: random.pick(names[service]), forMs };
}
