import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, createCommand } from "commander";
import { GetRunResultsResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { plainText } from "../plain-text.ts";
import { readableJson } from "../readable-json.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";
import { unzip } from "../unzip.ts";

interface ResultsOptions extends ServerOptions {
  readonly output?: string;
  readonly zip?: string;
}

/** `antiphon results`: gets the files that a task left behind, or what the nodes of a run gave. */
export function resultsCommand(context: CommandContext): Command {
  const command = createCommand("results")
    .description(
      "get the files that a task left behind; of a workflow's run: print what its nodes gave, as JSON",
    )
    .argument("<id>", "a task's or run's id, or the beginning of it; RUN.NODE for one node's files")
    .option("-o, --output <folder>", "where to put the files; a new or empty folder (default: results-ID)")
    .option("--zip <file>", "keep the archive as it is; - for standard output")
    .action(async (id: string, options: ResultsOptions) => {
      using antiphon = await openServer(options);
      const taskId = await completeId(antiphon, id);
      const screen = context.screen();
      if (await isWorkflowRun(antiphon, taskId)) {
        const results = await antiphon.scheduler.getRunResults({ runId: taskId });
        const json = readableJson(GetRunResultsResponseSchema, results) as { readonly results?: unknown };
        await screen.line(JSON.stringify(json.results ?? {}, undefined, 2));
        return;
      }
      if (options.zip === "-") {
        for await (const chunk of archiveOf(antiphon, taskId)) await screen.out(chunk);
      } else if (options.zip !== undefined) {
        await pipeline(Readable.from(archiveOf(antiphon, taskId)), createWriteStream(options.zip));
        await screen.line(options.zip);
      } else {
        const folder = options.output ?? `results-${taskId}`;
        const paths = await unzipped(antiphon, taskId, folder);
        for (const path of paths) await screen.line(plainText(join(folder, path)));
        if (paths.length === 0) await screen.note("the task left no files behind");
      }
    });
  return withServer(command);
}

async function isWorkflowRun(antiphon: Antiphon, id: string): Promise<boolean> {
  if (id.includes(".")) return false;
  const { run } = await antiphon.scheduler.getRun({ runId: id });
  return run !== undefined && run.workflowId !== "";
}

async function* archiveOf(antiphon: Antiphon, taskId: string): AsyncIterable<Uint8Array> {
  for await (const { chunk } of antiphon.scheduler.downloadResults({ taskId })) yield chunk;
}

/** An archive is read from its end, so it has to be whole on disk first. */
async function unzipped(antiphon: Antiphon, taskId: string, folder: string): Promise<string[]> {
  const temporary = await mkdtemp(join(tmpdir(), "antiphon-results-"));
  try {
    const archive = join(temporary, "results.zip");
    await pipeline(Readable.from(archiveOf(antiphon, taskId)), createWriteStream(archive));
    return await unzip(archive, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
