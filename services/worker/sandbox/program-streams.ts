import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;

/** Both sides of a program's standard streams. */
export interface ProgramStreams {
  /** Descriptors 0, 1 and 2 of the program. */
  readonly child: readonly [number, number, number];
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Closes the program's side here; to be called once it has its own copies. */
  handedOver(): void;
  /** Ends our side; what was not read is lost. Resolves when all descriptors are closed. */
  close(): Promise<void>;
}

/**
 * Opens the FIFOs of a folder as a program's standard streams.
 *
 * Our ends do not block, the program's do. Every stream has an error handler:
 * a program that closes its input early must not throw here.
 */
export function openStreams(folder: string, stdin: "open" | "closed"): ProgramStreams {
  const input =
    stdin === "open" ? writeEnd(join(folder, "stdin")) : { child: openSync("/dev/null", O_RDONLY) };
  const output = readEnd(join(folder, "stdout"));
  const errors = readEnd(join(folder, "stderr"));
  const child = [input.child, output.child, errors.child] as const;
  const ours = [input.stream, output.stream, errors.stream].filter((stream) => stream !== undefined);
  for (const stream of ours) stream.on("error", () => stream.destroy());
  return {
    child,
    stdin: input.stream,
    stdout: output.stream,
    stderr: errors.stream,
    handedOver: () => child.forEach((descriptor) => closeSync(descriptor)),
    close: async () => {
      await Promise.all(ours.map(destroyed));
    },
  };
}

function readEnd(path: string): { child: number; stream: Socket } {
  const own = openSync(path, O_RDONLY | O_NONBLOCK);
  const child = openSync(path, O_WRONLY);
  return { child, stream: new Socket({ fd: own, readable: true, writable: false }) };
}

/** A FIFO opens for writing only while someone reads it, so a third opening holds it meanwhile. */
function writeEnd(path: string): { child: number; stream?: Socket } {
  const holder = openSync(path, O_RDWR | O_NONBLOCK);
  const own = openSync(path, O_WRONLY | O_NONBLOCK);
  const child = openSync(path, O_RDONLY);
  closeSync(holder);
  return { child, stream: new Socket({ fd: own, readable: false, writable: true }) };
}

async function destroyed(stream: Socket): Promise<void> {
  if (stream.closed) return;
  await new Promise((resolve) => {
    stream.once("close", resolve);
    stream.destroy();
  });
}
