import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, createCommand, Option } from "commander";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, showJson, withFormat } from "../output-format.ts";
import { plainText } from "../plain-text.ts";
import { runResults } from "../run-results.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";
import { unzip } from "../unzip.ts";

interface ResultsOptions extends ServerOptions, FormatOption {
  readonly to?: string;
  readonly zip?: string;
}

/** `antiphon results`: gets the files that a task left behind, or what the nodes of a run gave. */
export function resultsCommand(context: CommandContext): Command {
  const command = createCommand("results")
    .description(
      "get the files that a task left behind; of a workflow's run: print what its nodes gave, as JSON",
    )
    .argument("<id>", "a task's or run's id, or the beginning of it; RUN.NODE for one node's files")
    .option("--to <folder>", "where to put the files; a new or empty folder (default: results-ID)")
    .addOption(new Option("--zip <file>", "keep the archive as it is; - for standard output").conflicts("to"))
    .action(async (id: string, options: ResultsOptions) => {
      using antiphon = await openServer(options);
      const taskId = await completeId(antiphon, id);
      const screen = context.screen();
      const { zip, to = `results-${taskId}` } = options;
      if (await isWorkflowRun(antiphon, taskId)) {
        await showJson(screen, options, await runResults(antiphon, taskId));
      } else if (zip === "-") {
        for await (const chunk of archiveOf(antiphon, taskId)) await screen.out(chunk);
      } else if (zip !== undefined) {
        await pipeline(Readable.from(archiveOf(antiphon, taskId)), createWriteStream(zip));
        await screen.line(zip);
      } else {
        const files = (await unzipped(antiphon, taskId, to)).map((path) => join(to, path));
        if (options.output !== "table") await showJson(screen, options, { files }, "files");
        else for (const file of files) await screen.line(plainText(file));
        if (files.length === 0) await screen.note("the task left no files behind");
      }
    });
  return withFormat(withServer(command), ["table", "json", "jsonl", "yaml"]);
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
