/** The other end of the bare pipe: takes each message as it comes, does nothing, and puts it into the stream that leads back. */
import { Redis } from "ioredis";

const url = process.env["REDIS_URL"] ?? "";
const reading = new Redis(url);
const writing = new Redis(url);
process.once("SIGTERM", () => process.exit(0));

for (;;) {
  const reply = (await reading.xreadgroup(
    "GROUP",
    "pipe",
    "worker",
    "COUNT",
    500,
    "BLOCK",
    10_000,
    "NOACK",
    "STREAMS",
    "pipe:work",
    ">",
  )) as [stream: string, entries: [id: string, fields: string[]][]][] | null;
  const entries = reply?.[0]?.[1] ?? [];
  const last = entries.at(-1)?.[0];
  if (last === undefined) continue;
  const pipeline = writing.pipeline();
  for (const [, [, body = ""]] of entries) pipeline.xadd("pipe:done", "*", "b", body);
  pipeline.xtrim("pipe:work", "MINID", last);
  // Not awaited: what the next read brings goes out behind it, on the same connection.
  pipeline.exec().catch(() => process.exit(1));
}
