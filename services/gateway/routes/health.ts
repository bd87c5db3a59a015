import { delay } from "../../../lib/async/delay.ts";
import type { Answer } from "./answer.ts";

/** A service that the gateway needs. */
export interface ServiceBehind {
  /** For people: `scheduler`. */
  readonly name: string;
  /** Rejects, with the reason, while the service can not do its work. */
  readonly check: () => Promise<void>;
}

/** A service that has not answered by then is taken as unable to do its work. */
const checkTimeoutMs = 2_000;

/** Why services are not able to do their work, by name; none when all are. Takes 2 s at most. */
export async function illnesses(
  services: readonly ServiceBehind[],
): Promise<Readonly<Record<string, string>>> {
  const found = await Promise.all(
    services.map(async ({ name, check }) => [name, await illness(check)] as const),
  );
  return Object.fromEntries(
    found.flatMap(([name, reason]) => (reason === undefined ? [] : [[name, reason]])),
  );
}

/** Answers `GET /health`. */
export async function health(services: readonly ServiceBehind[]): Promise<Answer> {
  const reasons = await illnesses(services);
  if (Object.keys(reasons).length === 0) return { status: 200, body: { status: "ok" } };
  return { status: 503, body: { status: "unavailable", reasons }, headers: { "retry-after": "1" } };
}

async function illness(check: () => Promise<void>): Promise<string | undefined> {
  const answered = new AbortController();
  const late = delay(checkTimeoutMs, answered.signal).then(() => "does not answer");
  const found = check().then(
    () => undefined,
    (reason: unknown) => (reason instanceof Error ? reason.message : "can not do its work"),
  );
  const first = await Promise.race([found, late]);
  answered.abort();
  return first;
}
