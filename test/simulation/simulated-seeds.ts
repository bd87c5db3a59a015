import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const summarySchema = z.object({
  seeds: z.number(),
  runs: z.number(),
  events: z.number(),
  virtualMs: z.number(),
  elapsedMs: z.number(),
  violation: z.object({ seed: z.number(), checker: z.string(), message: z.string() }).optional(),
  /** By seed; empty unless they were asked for. */
  digests: z.record(z.string(), z.string()),
});

/** What came of a range of seeds. */
export type Summary = z.infer<typeof summarySchema>;

/** Simulates seeds in a process of its own, as its command line says. Rejects, with what it printed, when it breaks. */
export async function simulatedSeeds(...given: readonly string[]): Promise<Summary> {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, ...given], { stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise((resolve) => child.once("close", resolve)),
  ]);
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  if (code === null || !last.startsWith("{")) {
    throw new Error(`the simulation of ${given.join(" ")} broke: ${output}${errors}`);
  }
  return summarySchema.parse(JSON.parse(last));
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
