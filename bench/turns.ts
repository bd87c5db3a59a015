/*
 * The subjects, and what one turn of each measures. A turn has a database and a
 * Redis of its own, starts its processes, warms them up, and ends them, so that
 * nothing of one subject runs while another is measured.
 */
import { join } from "node:path";
import { AllInOne } from "./all-in-one.ts";
import { AntiphonProcesses } from "./antiphon-processes.ts";
import { AntiphonRuns, chainDependencies, fanDependencies } from "./antiphon-runs.ts";
import { BarePipe, fanShape } from "./bare-pipe.ts";
import { BullmqFlows } from "./bullmq-flows.ts";
import { cpuMs } from "./cpu-time.ts";
import type { Measured } from "./figures.ts";
import { quantile, repeated } from "./sample.ts";
import type { Size } from "./size.ts";
import type { Props, Stage } from "./stage.ts";

export interface TurnOptions {
  readonly size: Size;
  /** Where the processes of Antiphon leave profiles of their CPU; none when unset. */
  readonly profileFolder: string | undefined;
}

type Turn = (props: Props, options: TurnOptions) => Promise<Measured>;

/** How many nodes the fan has. */
const fanNodes = 4;

/** How many nodes the chain has. */
const chainLength = 40;

/** The subjects in the order of their turns. */
export const subjects = {
  pipe: async (props, { size }) => {
    await using pipe = await BarePipe.open(props);
    const fan = async (runs: number) =>
      await pipe.drive(fanShape, { first: "A", nodes: fanNodes, runs, inFlight: size.inFlight });
    await fan(size.warmUp);
    const cpuBefore = await cpuMs();
    const pipeFan = perSecond(size.runs * fanNodes, await fan(size.runs));
    const pipeFanCpu = ((await cpuMs()) - cpuBefore) / size.runs;
    const chains = await repeated(
      size.chains,
      async () =>
        await pipe.drive((_, ended) => (ended < chainLength ? ["N"] : []), {
          first: "N",
          nodes: chainLength,
          runs: 1,
          inFlight: 1,
        }),
    );
    return { pipeFan, pipeFanCpu, pipeChain: quantile(chains, 0.5) };
  },

  bullmq: async (props, { size }) => {
    await using bullmq = await BullmqFlows.open(props);
    await bullmq.fans({ runs: size.warmUp, inFlight: size.inFlight });
    const cpuBefore = await cpuMs();
    const fanMs = await bullmq.fans({ runs: size.runs, inFlight: size.inFlight });
    const bullmqFanCpu = ((await cpuMs()) - cpuBefore) / size.runs;
    const chains = await repeated(size.chains, async () => await bullmq.chain(chainLength));
    return {
      bullmqFan: perSecond(size.runs * fanNodes, fanMs),
      bullmqFanCpu,
      bullmqChain: quantile(chains, 0.5),
    };
  },

  antiphon: async (props, { size, profileFolder }) => {
    await using processes = await AntiphonProcesses.open(props, { profileFolder });
    await using runs = new AntiphonRuns(processes, props);
    const fan = await runs.workflow("fan", fanDependencies);
    await runs.drive(fan, { runs: size.warmUp, inFlight: size.inFlight });
    const driven = await runs.drive(fan, { runs: size.runs, inFlight: size.inFlight });
    const accepted: number[] = [];
    const drained: number[] = [];
    const used: number[] = [];
    for (let dam = 0; dam < size.dams; dam += 1) {
      const cpuBefore = await cpuMs();
      const { runs: count, acceptMs, drainMs } = await runs.dam(fan, size.inFlight);
      used.push(((await cpuMs()) - cpuBefore) / count);
      accepted.push(perSecond(count, acceptMs));
      drained.push(perSecond(count * fanNodes, drainMs));
    }
    const chain = await runs.workflow("chain", chainDependencies(chainLength));
    const chains = await repeated(size.chains, async () => {
      const { acceptedAt, endedAt } = await runs.one(chain);
      return endedAt - acceptedAt;
    });
    const single = await runs.workflow("single", { A: [] });
    const starts = await repeated(size.starts, async () => {
      const { acceptedAt, firstRunAt } = await runs.one(single);
      return firstRunAt - acceptedAt;
    });
    return {
      fanDriven: perSecond(size.runs * fanNodes, driven),
      fanDrained: quantile(drained, 0.5),
      fanCpu: quantile(used, 0.5),
      accepted: quantile(accepted, 0.5),
      chain: quantile(chains, 0.5),
      firstNode: quantile(starts, 0.5),
      firstNodeP99: quantile(starts, 0.99),
    };
  },

  "all-in-one": async ({ folder }, { size }) => {
    const dataDirectory = join(folder, "data");
    {
      await using first = await AllInOne.open(dataDirectory);
      // Environments are built once for a machine; that is not what is measured.
      await first.firstOutputMs();
    }
    await using server = await AllInOne.open(dataDirectory);
    await new Promise((resolve) => setTimeout(resolve, size.idleMs));
    const allInOneMemory = await server.memoryMb();
    const outputs = await repeated(size.programs, async () => await server.firstOutputMs());
    return { allInOneStart: server.readyMs, allInOneMemory, allInOneOutput: quantile(outputs, 0.5) };
  },
} as const satisfies Readonly<Record<string, Turn>>;

export type Subject = keyof typeof subjects;

/** Gives a subject its turn. */
export async function turn(subject: Subject, stage: Stage, options: TurnOptions): Promise<Measured> {
  await using props = await stage.props();
  return await subjects[subject](props, options);
}

function perSecond(count: number, ms: number): number {
  return (count * 1_000) / ms;
}
