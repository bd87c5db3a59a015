/*
 * A worker process of the tests: acquires an environment, prints what it sees
 * as JSON lines, and holds it until it is ended or its standard input closes.
 * Arguments: the cache's folder, then the requirements.
 */
import { once } from "node:events";
import { EnvironmentCache } from "../../../services/worker/environment/cache.ts";
import { programEnvironment } from "../../../services/worker/environment/environment-spec.ts";

const [directory = "", ...requirements] = process.argv.slice(2);
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

await using cache = await EnvironmentCache.open({ directory });
await using environment = await cache.acquire(programEnvironment(requirements), {
  onOutput: (chunk) => say({ output: chunk.toString() }),
});
say({ ready: environment.mounts[0]?.source });
process.stdin.resume();
await once(process.stdin, "end");
