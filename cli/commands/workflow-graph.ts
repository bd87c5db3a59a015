import { type Command, createCommand, Option } from "commander";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { isNotFound } from "../failure-report.ts";
import { type Graph, graphOf } from "../graph.ts";
import { dotLines } from "../graph-dot.ts";
import { mermaidLines } from "../graph-mermaid.ts";
import { graphLines } from "../graph-text.ts";
import { definitionOfRun } from "../run-definition.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";
import { definitionOf, workflowReference } from "../workflow-reference.ts";

interface GraphOptions extends ServerOptions {
  readonly output: "text" | "mermaid" | "dot";
}

/** `antiphon workflow graph`: draws a definition, or a run with the states of its nodes. */
export function workflowGraphCommand(context: CommandContext): Command {
  const command = createCommand("graph")
    .description("draw a definition, or a run with the states of its nodes")
    .argument("<workflow>", "a JSON or YAML file, a stored workflow's name or id, or a run's id")
    .addOption(
      new Option("-o, --output <format>", "what to draw it as")
        .choices(["text", "mermaid", "dot"])
        .default("text"),
    )
    .action(async (typed: string, options: GraphOptions) => {
      const graph = await found(typed, options);
      const screen = context.screen();
      const lines = {
        text: () => graphLines(graph, screen.colors),
        mermaid: () => mermaidLines(graph),
        dot: () => dotLines(graph),
      }[options.output]();
      for (const line of lines) await screen.line(line);
    });
  return withServer(command);
}

/** A file needs no server. */
async function found(typed: string, options: ServerOptions): Promise<Graph> {
  const reference = await workflowReference(typed);
  if (reference.kind === "file") return graphOf(reference.file.definition);
  using antiphon = await openServer(options);
  try {
    return graphOf(await definitionOf(antiphon, reference));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const graph = await graphOfRun(antiphon, typed);
    if (graph === undefined) throw error;
    return graph;
  }
}

async function graphOfRun(antiphon: Antiphon, typed: string): Promise<Graph | undefined> {
  try {
    const { run } = await antiphon.scheduler.getRun({ runId: await completeId(antiphon, typed) });
    if (run === undefined) return undefined;
    const states = new Map(run.tasks.map(({ nodeId, state }) => [nodeId, state]));
    return graphOf({ name: run.name, dag: await definitionOfRun(antiphon, run) }, states);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
