import { z } from "zod";
import { delay } from "../../../lib/async/delay.ts";
import { type HttpRoute, httpRoute } from "../http/route.ts";

/** A service that the gateway needs. */
export interface ServiceBehind {
  /** For people: `scheduler`. */
  readonly name: string;
  /** Rejects, with the reason, while the service can not do its work. */
  readonly check: () => Promise<void>;
}

/** A service that has not answered by then is taken as unable to do its work. */
const checkTimeoutMs = 2_000;

const ok = z.object({ status: z.literal("ok") });
const unavailable = z.object({
  status: z.literal("unavailable"),
  reasons: z.record(z.string(), z.string()).describe("Why, by the service's name."),
});

/** `GET /health`, which is for who decides where calls go, and `GET /healthz`, which is for who restarts processes. */
export function healthRoutes(behind: readonly ServiceBehind[]): readonly HttpRoute[] {
  return [
    httpRoute({
      method: "GET",
      path: "/health",
      access: "open",
      tag: "Health",
      summary: "Tells whether all services are able to do their work",
      description: "Answers the text `OK` to callers that accept `text/plain` and not JSON.",
      style: "problem",
      responses: {
        200: { description: "They are.", schema: ok, otherTypes: { "text/plain": z.literal("OK") } },
        503: { description: "One is not.", schema: unavailable },
      },
      async handle({ headers }) {
        const reasons = await illnesses(behind);
        if (Object.keys(reasons).length > 0) {
          return { status: 503, body: { status: "unavailable", reasons }, headers: { "retry-after": "1" } };
        }
        return { status: 200, body: wantsText(headers.accept) ? "OK" : { status: "ok" } };
      },
    }),
    httpRoute({
      method: "GET",
      path: "/healthz",
      access: "open",
      tag: "Health",
      summary: "Tells that the process is alive",
      style: "problem",
      responses: { 200: { description: "It is.", schema: z.literal("OK"), contentType: "text/plain" } },
      handle: async () => ({ status: 200, body: "OK" }),
    }),
  ];
}

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

function wantsText(accept = ""): boolean {
  return accept.includes("text/plain") && !accept.includes("json") && !accept.includes("*/*");
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
