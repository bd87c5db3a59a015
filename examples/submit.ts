import { Antiphon } from "../sdk/typescript/antiphon.ts";

using antiphon = new Antiphon();
const task = await antiphon.submit({ file: "examples/hello.py" });
for await (const event of task.attach()) {
  if (event.kind === "output") process.stdout.write(event.data);
  if (event.kind === "prompt") await event.reply(event.password ? "hunter2!" : "Ada");
}
console.log(await task.wait());
