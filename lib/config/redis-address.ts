import { z } from "zod";
import { port } from "./env.ts";

/** Where Redis is when nothing says otherwise, for a service that can not do without. */
export const localRedis = "redis://localhost:6379";

/** The variables that say where Redis is. */
export const redisVariables = {
  REDIS_URL: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The broker: `redis://…`, `rediss://…`, or the path of a unix socket. Goes before the next three.",
    ),
  REDIS_HOST: z.string().min(1).optional().describe("`localhost` where only another of the three is set."),
  REDIS_PORT: port.optional().describe("6379 where only another of the three is set."),
  REDIS_DB: z.coerce.number().int().min(0).optional().describe("0 where only another of the three is set."),
};

/** The URL of Redis that these variables name, or undefined when they name none. Any one of the three is enough; the others are `localhost`, 6379 and 0. */
export function redisUrlOf(read: {
  readonly REDIS_URL?: string | undefined;
  readonly REDIS_HOST?: string | undefined;
  readonly REDIS_PORT?: number | undefined;
  readonly REDIS_DB?: number | undefined;
}): string | undefined {
  const { REDIS_URL: url, REDIS_HOST: host, REDIS_PORT: redisPort, REDIS_DB: db } = read;
  if (url !== undefined) return url;
  if (host === undefined && redisPort === undefined && db === undefined) return undefined;
  return `redis://${host ?? "localhost"}:${redisPort ?? 6_379}/${db ?? 0}`;
}
