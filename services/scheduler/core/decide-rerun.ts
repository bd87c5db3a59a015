import type { KeptOutput, KeptPrompt } from "./event.ts";
import type { Prompt, Run } from "./run.ts";
import { isMildlySkipped } from "./settle.ts";

/**
 * What a repetition of a run keeps: the outputs of nodes that completed and whose
 * dependencies all did, too, or were skipped for a condition, which comes out the
 * same again.
 */
export function keptOf(run: Run): KeptOutput[] {
  const { nodes, onFailure } = run.plan;
  const waitsFor = nodes.map(({ dependencies }) => dependencies.length);
  // Grows while it is walked: what all dependencies of are as they will be again.
  const steady = nodes.flatMap(({ index }) => (waitsFor[index] === 0 && index !== onFailure ? [index] : []));
  const kept: KeptOutput[] = [];
  for (const index of steady) {
    const task = run.tasks[index];
    if (task === undefined) continue;
    const { name: nodeId, state, output, files, prompts } = task;
    const isKept = state === "completed" && output !== undefined;
    if (isKept) {
      kept.push({ nodeId, output, files, ...(prompts.length > 0 && { prompts: prompts.map(keptPrompt) }) });
    }
    if (!isKept && !isMildlySkipped(task)) continue;
    for (const dependent of nodes[index]?.dependents ?? []) {
      waitsFor[dependent] = (waitsFor[dependent] ?? 0) - 1;
      if (waitsFor[dependent] === 0) steady.push(dependent);
    }
  }
  return kept;
}

function keptPrompt(prompt: Prompt): KeptPrompt {
  const { promptId, attempt, text, password, openedAt, state, answeredBy, answer } = prompt;
  return {
    promptId,
    attempt,
    text,
    password,
    openedAt: openedAt.toISOString(),
    ...(answeredBy !== undefined && { answeredBy }),
    ...(answer !== undefined && { answer }),
    ...(state === "timed_out" && { isTimedOut: true }),
  };
}
