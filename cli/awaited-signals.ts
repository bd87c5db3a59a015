import type { Dag } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";

/** The names of the signals that nodes of a definition wait for; undefined when a node's is only known once it runs. */
export function awaitedSignals({ nodes }: Pick<Dag, "nodes">): readonly string[] | undefined {
  const names = nodes
    .filter(({ handler }) => handler === "wait_for_signal")
    .map(({ config }) => signalName(config));
  return names.some((name) => name === undefined || name.includes("{{"))
    ? undefined
    : names.flatMap((name) => name ?? []);
}

function signalName(config: Uint8Array): string | undefined {
  if (config.length === 0) return undefined;
  const { signal } = JSON.parse(Buffer.from(config).toString()) as { readonly signal?: unknown };
  return typeof signal === "string" ? signal : undefined;
}
