import type { ProgramMessage } from "../sandbox/program-message.ts";
import type { SandboxedProgram } from "../sandbox/sandbox.ts";
import type { LeasedTask } from "./handler.ts";

/**
 * Listens to what a program says over its channel until it ends, and answers its
 * questions; wall time does not count while one is open. Answers the last result
 * that it handed over, as JSON text.
 */
export async function conversation(
  { channel, clock }: Pick<SandboxedProgram, "channel" | "clock">,
  { transcript, prompts }: Pick<LeasedTask, "transcript" | "prompts">,
): Promise<string | undefined> {
  let result: string | undefined;
  for await (const message of channel) {
    switch (message.type) {
      case "message": {
        const json = Buffer.from(JSON.stringify(message.message));
        const value = { $typeName: "antiphon.taskio.v1.Message", json } as const;
        await transcript.say({ case: "message", value }, json.length);
        break;
      }
      case "progress": {
        const { fraction, label } = message;
        const value = { $typeName: "antiphon.taskio.v1.Progress", fraction, label } as const;
        await transcript.say({ case: "progress", value }, label.length);
        break;
      }
      case "artifact": {
        const { path, name } = message;
        const value = { $typeName: "antiphon.taskio.v1.ArtifactAnnounced", path, name } as const;
        await transcript.say({ case: "artifact", value }, path.length + name.length);
        break;
      }
      case "input_request":
        // Not awaited: the program goes on talking while it waits, and may ask more than one thing. `ask` never
        // rejects, and resolves at the end of the attempt at the latest.
        void passOn(message);
        break;
      case "result":
        result = JSON.stringify(message.value);
    }
  }
  return result;

  async function passOn({
    promptId,
    prompt,
    password,
  }: ProgramMessage & { type: "input_request" }): Promise<void> {
    clock.pause();
    const answer = await prompts.ask({ text: prompt, password });
    channel.send({ type: "input", promptId, ...(answer !== undefined && { value: answer }) });
    clock.resume();
  }
}
