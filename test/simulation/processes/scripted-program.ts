/*
 * Stands in for services/worker/handlers/program.ts: a leased handler that
 * writes, asks and waits as the config of its node says.
 */
import { setTimeout } from "node:timers/promises";
import { Output_Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import type { LeasedHandler, LeasedTask } from "../../../services/worker/handlers/handler.ts";
import type { Outcome } from "../../../services/worker/outcome.ts";
import { presentProcess, presentSimulation } from "../checks/present.ts";
import { readScript, type Script } from "./script.ts";

/** How long a program may take to end when it is told to, in milliseconds. */
const graceMs = 300;

export function program(): LeasedHandler {
  return {
    kind: "leased",
    slots: "program",
    run: async (task) => {
      const { arguments: given } = JSON.parse(Buffer.from(task.assignment.config).toString("utf8")) as {
        readonly arguments: readonly [string];
      };
      const done = presentSimulation().work.started(presentProcess(), task.assignment, task.leaseToken);
      let counts = false;
      try {
        const outcome = await follow(readScript(given[0]), task);
        counts = !task.signal.aborted || task.signal.reason === "cancelled";
        return outcome;
      } catch (error) {
        counts = true;
        throw error;
      } finally {
        done(counts);
      }
    },
  };
}

async function follow(script: Script, task: LeasedTask): Promise<Outcome> {
  const { random } = presentSimulation().world;
  const { signal, assignment } = task;
  task.started();
  for (const step of script.steps) {
    if (step.kind === "wait") await setTimeout(step.ms, undefined, { signal }).catch(() => undefined);
    else if (step.kind === "write") await write(step.text, task);
    else await ask(step.password, task);
    if (!signal.aborted) continue;
    if (signal.reason === "cancelled") await setTimeout(random.between(1, graceMs));
    return { kind: "cancelled" };
  }
  if (script.end === "throw") throw new Error("the script throws");
  if (script.end === "fail" || assignment.attempt < script.failsBefore) {
    return { kind: "failed", reason: "EXIT_CODE", message: "the script fails", exitCode: 1 };
  }
  return { kind: "completed", output: Buffer.from(JSON.stringify({ attempt: assignment.attempt })) };
}

async function write(text: string, { transcript, assignment }: LeasedTask): Promise<void> {
  presentSimulation().transcripts.wrote(assignment.taskId, assignment.attempt, text);
  await transcript.write(Output_Stream.STDOUT, Buffer.from(text));
}

async function ask(password: boolean, { prompts, signal, assignment }: LeasedTask): Promise<void> {
  const { ledger, violations, world } = presentSimulation();
  const text = `${assignment.taskId}#${assignment.attempt} asks ${world.random.uuid()}`;
  const answer = await prompts.ask({ text, password });
  if (answer === undefined || signal.aborted) return;
  world.tell(() => `${presentProcess().label.padEnd(12)} reads ${answer}`);
  const prompt = ledger.promptOf(text);
  // A secret answer is in history only after this worker has said that it came.
  const isRight = password || prompt?.answer?.text === answer;
  if (!isRight) {
    const message = `${text} and gets ${answer}; history has ${prompt?.answer?.text}`;
    violations.report("other answer delivered", message);
  }
}
