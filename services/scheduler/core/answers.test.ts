import { expect, test } from "vitest";
import { aNode, answered, aRun, asked, leased, taskOfNode } from "../../../test/support/a-run.ts";
import { answersOf } from "./answers.ts";
import type { Fact } from "./event.ts";

const question = (promptId: string, text: string, more = {}): Fact =>
  ({ ...asked("A", promptId), text, ...more }) as Fact;

const answersAfter = (...facts: Fact[]) =>
  answersOf(taskOfNode(aRun([aNode("A")], leased("A"), ...facts), "A"));

test("names answers after their questions, whatever the letters", () => {
  const texts = ["What is your name?", "  --Größe (cm)--  ", "年齢は？", "__proto__"];
  const facts = texts.flatMap((text, index) => [
    question(`p${index}`, text),
    answered("A", `p${index}`, String(index)),
  ]);
  expect(answersAfter(...facts)["answers"]).toEqual({
    what_is_your_name: "0",
    größe_cm: "1",
    年齢は: "2",
    proto: "3",
  });
});

test("cuts long names, gives no name to a question without letters, and lets the later answer count", () => {
  const { answers } = answersAfter(
    question("p1", "n".repeat(100)),
    answered("A", "p1", "long"),
    question("p2", "?!"),
    answered("A", "p2", "unnamed"),
    question("p3", "Colour?"),
    answered("A", "p3", "red"),
    question("p4", "colour"),
    answered("A", "p4", "blue"),
  ) as { answers: object };
  expect(answers).toEqual({ ["n".repeat(60)]: "long", colour: "blue" });
});

test("tells every question in order, without the answers of those that are open or secret", () => {
  const receipt = { ...answered("A", "p2", ""), answer: undefined } as unknown as Fact;
  const told = answersAfter(
    question("p1", "Name?"),
    answered("A", "p1", "Ada"),
    question("p2", "Password?", { password: true }),
    receipt,
    question("p3", "More?"),
  );
  expect(told).toEqual({
    answers: { name: "Ada" },
    prompts: [
      { prompt_id: "p1", text: "Name?", answer: "Ada", answered_by: "bob" },
      { prompt_id: "p2", text: "Password?", answer: null, answered_by: "bob" },
      { prompt_id: "p3", text: "More?", answer: null, answered_by: null },
    ],
  });
});
