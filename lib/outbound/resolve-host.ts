/*
 * Finds the addresses of hosts, as everything else on the machine does
 * (getaddrinfo: hosts file, search domains, DNS).
 *
 *   H1. A look-up keeps a thread of the few that files and compression need, too,
 *       for as long as a name server is silent; so at most `maxAtOnce` run, and
 *       the rest waits in order.
 *   H2. Who asks for a host that is being looked up gets that answer.
 */
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";

/** The addresses of a host, at least one. Rejects with a `code`, as `ENOTFOUND`, when there is none. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/** Half of the threads that Node has for such things. */
const maxAtOnce = 2;

/** What asks the machine; `ask` may be replaced. */
export function resolver(ask: Resolve = async (host) => await lookup(host, { all: true })): Resolve {
  const asked = new Map<string, Promise<readonly LookupAddress[]>>();
  const waiting: (() => void)[] = [];
  let running = 0;

  const inTurn = async (host: string): Promise<readonly LookupAddress[]> => {
    if (running >= maxAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await ask(host);
    } finally {
      asked.delete(host);
      // The place goes to the next in line, if there is one.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };

  return async (host) => {
    const answer = asked.get(host) ?? inTurn(host);
    asked.set(host, answer);
    return await answer;
  };
}
