import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findRedisServer } from "../../lib/broker/find-redis-server.ts";
import { RedisBroker } from "../../lib/broker/redis-broker.ts";
import { readEnv } from "../../lib/config/env.ts";
import { redisUrlOf, redisVariables } from "../../lib/config/redis-address.ts";
import { type Check, type Finding, sayingOf } from "./finding.ts";

const answersWithinMs = 5_000;

/** The Redis that is told of; else the program for one of our own, which memory can stand in for. */
export const checkBroker: Check = async ({ env }) => {
  const url = redisUrlOf(readEnv(redisVariables, env));
  if (url !== undefined) return ofUrl(url);
  const path = await findRedisServer(env["PATH"]);
  if (path === undefined) {
    const detail = "no redis-server on PATH; a server in one process uses its memory instead";
    return { name: "redis", status: "optional", detail, mend: "apt-get install -y redis-server" };
  }
  const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: 10_000 });
  const version = /v=(\S+)/.exec(stdout)?.[1] ?? "";
  return { name: "redis", status: "ok", detail: `${version} at ${path}`.trim() };
};

async function ofUrl(url: string): Promise<Finding> {
  try {
    await using broker = await RedisBroker.open({ url });
    await broker.ping(answersWithinMs);
    return { name: "redis", status: "ok", detail: "answers at REDIS_URL" };
  } catch (error) {
    const detail = `REDIS_URL is set, but ${sayingOf(error)}`;
    return { name: "redis", status: "missing", detail, mend: "start that Redis, or unset REDIS_URL" };
  }
}
