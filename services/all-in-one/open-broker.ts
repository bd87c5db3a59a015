import type { Broker } from "../../lib/broker/broker.ts";
import { findRedisServer } from "../../lib/broker/find-redis-server.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { RedisBroker } from "../../lib/broker/redis-broker.ts";
import { RedisServer } from "../../lib/broker/redis-server.ts";
import { ConfigError } from "../../lib/config/env.ts";
import type { Logger } from "../../lib/log/log.ts";

/** The best broker that is to be had, and what to say about it. */
export interface OpenedBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly chosen: string;
}

/**
 * Opens the Redis of a URL; without one, a Redis of our own where the machine has
 * the program; else memory. In production memory will not do, which is a
 * ConfigError.
 */
export async function openBroker({
  url,
  isProduction,
  dataDirectory,
  log,
}: {
  readonly url: string | undefined;
  readonly isProduction: boolean;
  readonly dataDirectory: string;
  readonly log: Logger;
}): Promise<OpenedBroker> {
  await using stack = new AsyncDisposableStack();
  const onWarning = (warning: string) => log.warn({ warning }, "broker is set up badly");
  const opened = async (): Promise<{ broker: Broker; chosen: string }> => {
    if (url !== undefined) return { broker: await RedisBroker.open({ url, onWarning }), chosen: "REDIS_URL" };
    if ((await findRedisServer()) === undefined) {
      if (isProduction)
        throw new ConfigError(["REDIS_URL: is required in production where no redis-server is on PATH"]);
      return { broker: new MemoryBroker(), chosen: "memory, because no redis-server is on PATH" };
    }
    const server = stack.use(await RedisServer.start({ dataDirectory, log }));
    const chosen = `own redis-server ${server.version} (${Math.round(server.startedInMs)} ms)`;
    return { broker: await RedisBroker.open({ url: server.url, onWarning }), chosen };
  };
  const { broker, chosen } = await opened();
  stack.use(broker);
  const all = stack.move();
  return { broker, chosen, [Symbol.asyncDispose]: async () => await all.disposeAsync() };
}
