/** One thing that is measured. */
export interface Figure {
  /** What it is, as the table says it. */
  readonly label: string;
  readonly unit: "nodes/s" | "runs/s" | "ms" | "MB";
  /** What it is compared with: the value of this figure divided by that one's. */
  readonly against?: readonly FigureName[];
  /** What DESIGN asks for. */
  readonly goal?: string;
}

/** Every figure, by the name that it has in the JSON. What is measured and how is in README.md. */
export const figures = {
  pipeFan: { label: "bare pipe: fan, 1,000 in flight", unit: "nodes/s" },
  pipeFanCpu: { label: "bare pipe: processor time of a fan", unit: "ms" },
  pipeChain: { label: "bare pipe: chain of 40", unit: "ms" },
  bullmqFan: { label: "BullMQ flows: fan, 1,000 in flight", unit: "nodes/s" },
  bullmqFanCpu: { label: "BullMQ flows: processor time of a fan", unit: "ms" },
  bullmqChain: { label: "BullMQ flows: chain of 40", unit: "ms" },
  fanDrained: {
    label: "Antiphon: fan, up to 1,000 accepted before",
    unit: "nodes/s",
    against: ["pipeFan", "bullmqFan"],
    goal: "0.5 of the pipe, 2 of BullMQ",
  },
  fanDriven: {
    label: "Antiphon: fan, 1,000 in flight, started by StartRun",
    unit: "nodes/s",
    against: ["pipeFan", "bullmqFan"],
  },
  fanCpu: {
    label: "Antiphon: processor time of a fan and its start",
    unit: "ms",
    against: ["pipeFanCpu", "bullmqFanCpu"],
  },
  accepted: { label: "Antiphon: StartRun, nothing else going on", unit: "runs/s" },
  chain: {
    label: "Antiphon: chain of 40, accepted to end",
    unit: "ms",
    against: ["pipeChain", "bullmqChain"],
    goal: "45 ms",
  },
  firstNode: { label: "Antiphon: accepted to first node run, idle, p50", unit: "ms", goal: "3 ms" },
  firstNodeP99: { label: "Antiphon: accepted to first node run, idle, p99", unit: "ms", goal: "15 ms" },
  allInOneStart: { label: "all-in-one: start on its data folder", unit: "ms" },
  allInOneMemory: { label: "all-in-one: idle, without Postgres and Redis", unit: "MB", goal: "200 MB" },
  allInOneOutput: { label: "all-in-one: program, submit to first output, p50", unit: "ms", goal: "100 ms" },
} as const satisfies Readonly<
  Record<string, Omit<Figure, "against"> & { readonly against?: readonly string[] }>
>;

export type FigureName = keyof typeof figures;

/** What one turn of a subject measured. */
export type Measured = Partial<Record<FigureName, number>>;
