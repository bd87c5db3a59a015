import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { delay } from "../async/delay.ts";
import type { RoutedService } from "./routes.ts";
import type { RunningService } from "./running-service.ts";

/** Anybody may ask, so a check is made once for all who ask within this time. */
const freshMs = 1_000;

/** A check that has not answered by then has failed. */
const checkTimeoutMs = 5_000;

/** How often a watcher's status is looked at. */
const watchEveryMs = 2_000;

type Checked = Pick<RunningService, "check">;

/** What health reports on: services by the type names they serve, and a signal that aborts when the process drains. */
export interface HealthDependencies {
  /** Read anew for each answer. */
  readonly serving: () => ReadonlyMap<string, Checked>;
  readonly draining: AbortSignal;
}

/** `grpc.health.v1`: whether each service, and for "" all of them, can do its work. Needs no token. */
export function health(dependencies: HealthDependencies): RoutedService {
  return {
    routes: (router) => router.service(Health, healthService(dependencies)),
    access: { [Health.typeName]: "open" },
    check: async () => undefined,
  };
}

function healthService({ serving, draining }: HealthDependencies): ServiceImpl<typeof Health> {
  const checks = new Map<Checked, { readonly status: Promise<boolean>; readonly at: number }>();

  const isWell = (service: Checked): Promise<boolean> => {
    const last = checks.get(service);
    if (last !== undefined && performance.now() - last.at < freshMs) return last.status;
    const status = answersInTime(service);
    checks.set(service, { status, at: performance.now() });
    return status;
  };

  const statusOf = async (name: string): Promise<Status> => {
    const known = serving();
    const asked =
      name === ""
        ? [...new Set(known.values())]
        : [known.get(name)].filter((service) => service !== undefined);
    if (name !== "" && asked.length === 0) return Status.SERVICE_UNKNOWN;
    if (draining.aborted) return Status.NOT_SERVING;
    const answers = await Promise.all(asked.map(isWell));
    return answers.every(Boolean) ? Status.SERVING : Status.NOT_SERVING;
  };

  return {
    async check({ service }) {
      const status = await statusOf(service);
      if (status !== Status.SERVICE_UNKNOWN) return { status };
      throw new ConnectError(`no service ${service} is served here`, Code.NotFound);
    },

    async *watch({ service }, { signal }: HandlerContext) {
      let told: Status | undefined;
      while (!signal.aborted) {
        const status = await statusOf(service);
        if (status !== told) yield { status };
        told = status;
        await delay(watchEveryMs, draining.aborted ? signal : AbortSignal.any([signal, draining]));
      }
    },

    async list() {
      const names = ["", ...serving().keys()];
      const statuses = await Promise.all(
        names.map(async (name) => [name, { status: await statusOf(name) }] as const),
      );
      return { statuses: Object.fromEntries(statuses) };
    },
  };
}

async function answersInTime(service: Checked): Promise<boolean> {
  const late = new AbortController();
  const inTime = service.check().then(
    () => true,
    () => false,
  );
  const isWell = await Promise.race([inTime, delay(checkTimeoutMs, late.signal).then(() => false)]);
  late.abort();
  return isWell;
}
