import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";

const program = `
  import { untilSignal } from ${JSON.stringify(new URL("run-until-signal.ts", import.meta.url).href)};
  const waiting = setInterval(() => undefined, 1_000);
  const signalled = untilSignal();
  console.log("ready");
  console.log(await signalled);
  if (process.argv[1] === "prompt") clearInterval(waiting);
`;

async function start(manner: "prompt" | "slow") {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program, manner], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.setEncoding("utf8");
  await once(child.stdout, "data");
  return child;
}

describe("untilSignal", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "resolves with %s, so that the process can end by itself",
    async (signal) => {
      const child = await start("prompt");
      child.kill(signal);
      expect((await once(child.stdout, "data")).join("").trim()).toBe(signal);
      expect(await once(child, "exit")).toEqual([0, null]);
    },
  );

  test("ends the process at once when it is asked a second time", async () => {
    const child = await start("slow");
    child.kill("SIGINT");
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([130, null]);
  });
});
