/*
 * Replaces some modules of production while they are loaded, and plants bugs in
 * others. Production knows nothing of it.
 */
import { registerHooks } from "node:module";
import type { PlantedChange } from "./plants.ts";

/** Which modules are replaced, by what. */
const standIns: Readonly<Record<string, string>> = {
  "services/scheduler/history-store.ts": "postgres/history-store.ts",
  "services/scheduler/partition-store.ts": "postgres/partition-store.ts",
  "services/scheduler/worker-store.ts": "postgres/worker-store.ts",
  "services/scheduler/workflow-store.ts": "postgres/workflow-store.ts",
  "services/scheduler/owner.ts": "checks/observed-owner.ts",
  "services/scheduler/schedule-loop.ts": "processes/idle-loops.ts",
  "services/scheduler/removal-loop.ts": "processes/idle-loops.ts",
  "services/scheduler/chore-loop.ts": "processes/idle-loops.ts",
  "services/taskio/transcript-store.ts": "postgres/transcript-store.ts",
  "services/worker/handlers/noop.ts": "processes/scripted-noop.ts",
  "services/worker/handlers/program.ts": "processes/scripted-program.ts",
};

const root = new URL("../../", import.meta.url);
const here = new URL("./", import.meta.url);

/** Has the stand-ins loaded from here on, and each change made in its file. Throws, when the file is loaded, unless what is to be found stands there once. */
export function loadStandIns(changes: readonly PlantedChange[]): void {
  const replaced = new Map(
    Object.entries(standIns).map(([module, standIn]) => [
      new URL(module, root).href,
      new URL(standIn, here).href,
    ]),
  );
  const changed = Map.groupBy(changes, ({ file }) => new URL(file, root).href);
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const standIn = replaced.get(resolved.url);
      // What stands in for a module may build on it.
      return standIn === undefined || standIn === context.parentURL
        ? resolved
        : { ...resolved, url: standIn };
    },
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const own = changed.get(url);
      if (own === undefined) return loaded;
      return { ...loaded, source: own.reduce(planted, textOf(loaded.source)) };
    },
  });
}

/** A source with a change made. Throws unless what is to be found stands there once. */
export function planted(source: string, { file, find, replace }: PlantedChange): string {
  const count = source.split(find).length - 1;
  if (count !== 1)
    throw new Error(`a bug can not be planted: ${file} has ${count} times ${JSON.stringify(find)}`);
  return source.replace(find, () => replace);
}

function textOf(source: unknown): string {
  if (typeof source === "string") return source;
  return Buffer.from(source as Uint8Array).toString("utf8");
}
