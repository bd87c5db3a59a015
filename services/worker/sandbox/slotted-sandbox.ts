import { join } from "node:path";
import { SocketChannel } from "./channel.ts";
import { killAllOf } from "./kill.ts";
import type { Backend, Launched, NotLaunched } from "./launch.ts";
import { withDefaults } from "./limits.ts";
import { programEnvironment } from "./program-environment.ts";
import { openStreams } from "./program-streams.ts";
import { prepareFolder, removeInputs, topNames, writeInputs } from "./run-folder.ts";
import { RunningProgram } from "./running-program.ts";
import type { ProgramSpec, Sandbox, SandboxedProgram, SandboxReport } from "./sandbox.ts";
import { type Slot, type Slots, socketName } from "./slots.ts";

const emptyWithinMs = 10_000;

/** Runs programs in slots, each isolated by one backend. See sandbox.ts for what it promises. */
export class SlottedSandbox implements Sandbox {
  readonly #slots: Slots;
  readonly #backend: Backend;
  readonly #programs = new Set<SandboxedProgram>();

  private constructor(slots: Slots, backend: Backend) {
    this.#slots = slots;
    this.#backend = backend;
  }

  /** Makes the slots ready: what former workers left in them is ended and removed. Owns `slots` from here on. */
  static async open(slots: Slots, backend: Backend): Promise<SlottedSandbox> {
    try {
      for (const slot of slots.all) {
        if (!(await isEmptied(slot))) throw new Error(`processes of uid ${slot.uid} cannot be ended`);
        await prepareFolder(slot);
        await backend.sweep(slot);
      }
    } catch (error) {
      await slots[Symbol.asyncDispose]();
      throw error;
    }
    return new SlottedSandbox(slots, backend);
  }

  get report(): SandboxReport {
    return this.#backend.report;
  }

  get slots(): number {
    return this.#slots.all.length;
  }

  async start(spec: ProgramSpec, signal?: AbortSignal): Promise<SandboxedProgram> {
    const limits = withDefaults(spec.limits);
    const slot = this.#slots.take();
    if (!slot) throw new Error("no slot is free");
    const { mounts = [], inputs = new Map<string, Uint8Array>() } = spec;
    const undo = new AsyncDisposableStack();
    undo.defer(() => this.#empty(slot, true));
    try {
      const places = this.#backend.places(slot, mounts);
      const command = checkedCommand(spec.command(places));
      const environment = programEnvironment(places, this.#backend.socket(slot), spec.variables ?? {});
      await writeInputs(slot, inputs);
      const channel = await SocketChannel.listen({
        path: join(slot.folder, socketName),
        uid: slot.uid,
        gid: slot.gid,
        start: spec.start,
      });
      undo.defer(() => channel.close());
      const streams = openStreams(slot.folder, spec.stdin);
      undo.defer(() => streams.close());
      let launch: Launched | NotLaunched;
      try {
        const inputNames = topNames(inputs);
        launch = await this.#backend.launch(
          { slot, limits, command, environment, inputNames, mounts, streams },
          signal,
        );
      } finally {
        streams.handedOver();
      }
      const program: SandboxedProgram = new RunningProgram({
        launch,
        streams,
        channel,
        limits,
        signal,
        onDisposed: async (isEmpty) => {
          this.#programs.delete(program);
          await this.#empty(slot, isEmpty);
        },
      });
      this.#programs.add(program);
      undo.move();
      return program;
    } catch (error) {
      await undo.disposeAsync();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = await Promise.allSettled(
      [...this.#programs].map((program) => program[Symbol.asyncDispose]()),
    );
    await this.#slots[Symbol.asyncDispose]();
    const failed = ended.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** Gives the slot back when it is verified empty; else it stays taken, and this throws. */
  async #empty(slot: Slot, isEmpty: boolean): Promise<void> {
    if (!isEmpty || !(await isEmptied(slot)))
      throw new Error(`slot ${slot.name} cannot be emptied and stays unused`);
    await removeInputs(slot);
    this.#slots.giveBack(slot);
  }
}

/** Ends whatever lives under the slot's own uid. */
async function isEmptied({ uid, hasOwnUid }: Slot): Promise<boolean> {
  return !hasOwnUid || (await killAllOf(uid, emptyWithinMs));
}

function checkedCommand(command: readonly string[]): readonly string[] {
  if (!command[0]) throw new TypeError("a program needs a command");
  if (command.some((word) => word.includes("\0"))) throw new TypeError("a command has a zero byte");
  return command;
}
