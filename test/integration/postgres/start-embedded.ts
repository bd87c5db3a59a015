/** Starts an embedded Postgres on the folder given as argument, prints its URL and waits to be killed. */
import { once } from "node:events";
import { EmbeddedPostgres } from "../../../lib/postgres/embedded-postgres.ts";

const [, , dataDirectory = ""] = process.argv;
await using server = await EmbeddedPostgres.start({ dataDirectory });
process.stdout.write(`${server.url}\n`);
await once(process, "SIGTERM");
