/** What bounds one program. Every field has a default; a caller may set any of them. */
export interface ProgramLimits {
  /** How long the program may run, prompts it waits for not counted. */
  readonly wallMs: number;
  /** Processor cores the program may keep busy; 0.5 is half of one. Held only where cgroups are writable. */
  readonly cores: number;
  /** All memory of all its processes, with what it stores in its tmpfs folders. */
  readonly memoryBytes: number;
  /** Processes and threads at one time. */
  readonly processes: number;
  /** Open descriptors of one process. */
  readonly openFiles: number;
  /** The size of one file. */
  readonly fileBytes: number;
  /** All that it may store in its home folder. */
  readonly homeBytes: number;
  /** Files and folders in its home folder. */
  readonly homeFiles: number;
  /** All that it may store in /tmp. */
  readonly temporaryBytes: number;
  /** All that it may store in /dev/shm. */
  readonly sharedMemoryBytes: number;
}

/** The limits that end a program, by the name its end bears. `output` is counted by the caller. */
export type EndingLimit = "wall_time" | "cpu_time" | "memory" | "files" | "file_size" | "output";

const MiB = 1024 * 1024;

/** Room for a flow that loads pandas and numpy; 256 processes because numeric libraries start a thread per core and pool. */
export const defaultLimits: ProgramLimits = {
  wallMs: 3_600_000,
  cores: 1,
  memoryBytes: 2048 * MiB,
  processes: 256,
  openFiles: 512,
  fileBytes: 256 * MiB,
  homeBytes: 256 * MiB,
  homeFiles: 10_000,
  temporaryBytes: 64 * MiB,
  sharedMemoryBytes: 16 * MiB,
};

/** The defaults with what `chosen` sets. Throws RangeError for a limit that is not a positive number. */
export function withDefaults(chosen: Partial<ProgramLimits> = {}): ProgramLimits {
  const limits = { ...defaultLimits, ...chosen };
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
      throw new RangeError(`limit ${name} must be a positive number`);
    }
  }
  return limits;
}

/**
 * What `prlimit` is told before it becomes the program.
 *
 * Set inside the sandbox: there NPROC counts the processes of its user
 * namespace alone (Linux 5.14 and newer), so that it holds also where many
 * sandboxes share the uid of an ordinary user. `boundAddressSpace` is the
 * backstop where no cgroup bounds memory: generous, because Node and numeric
 * libraries reserve far more than they use.
 */
export function resourceLimitArguments(limits: ProgramLimits, boundAddressSpace: boolean): readonly string[] {
  const cpuSeconds = Math.ceil((limits.wallMs / 1000) * Math.max(1, limits.cores)) + 5;
  return [
    `--nproc=${limits.processes}`,
    `--nofile=${limits.openFiles}`,
    `--fsize=${limits.fileBytes}`,
    `--cpu=${cpuSeconds}`,
    "--core=0",
    ...(boundAddressSpace ? [`--as=${Math.max(4096 * MiB, 2 * limits.memoryBytes)}`] : []),
  ];
}
