import { connect } from "node:net";

/**
 * Sends one command to the Redis on a unix socket and answers its reply as
 * text; for what needs no client: is it up, who is it. The command is written
 * as one would type it, arguments apart by spaces.
 *
 * Rejects when nobody listens, when no whole reply came within `timeoutMs`, and
 * with the server's words when it refuses the command.
 */
export async function askRedis(socketPath: string, command: string, timeoutMs: number): Promise<string> {
  const reply = Promise.withResolvers<string>();
  const socket = connect(socketPath);
  const timer = setTimeout(() => reply.reject(new Error(`no reply within ${timeoutMs} ms`)), timeoutMs);
  let received = "";
  socket.setEncoding("latin1");
  socket.on("error", reply.reject);
  socket.on("close", () => reply.reject(new Error("the connection ended before the reply")));
  socket.on("data", (text: string) => {
    received += text;
    const whole = wholeReply(received);
    if (whole?.startsWith("-") === true) reply.reject(new Error(whole.slice(1)));
    else if (whole !== undefined) reply.resolve(whole.replace(/^[+:]/, ""));
  });
  socket.write(`${command}\r\n`);
  try {
    return await reply.promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** The reply without its frame (a simple one keeps its mark), or undefined while the rest of it is still to come. */
function wholeReply(received: string): string | undefined {
  const lineEnd = received.indexOf("\r\n");
  if (lineEnd < 0) return undefined;
  const line = received.slice(0, lineEnd);
  if (!line.startsWith("$")) return line;
  const body = received.slice(lineEnd + 2);
  const length = Number(line.slice(1));
  return body.length >= length + 2 ? body.slice(0, length) : undefined;
}
