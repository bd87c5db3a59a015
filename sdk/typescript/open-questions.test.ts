import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { PromptSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { OpenQuestions } from "./open-questions.ts";

const prompt = create(PromptSchema, { promptId: "p1", text: "name? " });
const put = [{ kind: "put", prompt }];

describe("openQuestions", () => {
  test("puts a question when it is open and its place has come, in either order", () => {
    const first = new OpenQuestions();
    expect(first.opened(prompt)).toEqual([]);
    expect(first.placed("p1")).toEqual(put);
    const second = new OpenQuestions();
    expect(second.placed("p1")).toEqual([]);
    expect(second.snapshot([prompt])).toEqual(put);
  });

  test("never puts a question of the past", () => {
    const questions = new OpenQuestions();
    questions.snapshot([]);
    expect(questions.placed("p1")).toEqual([]);
  });

  test("puts a question once, however often it is told", () => {
    const questions = new OpenQuestions();
    questions.opened(prompt);
    questions.placed("p1");
    expect(questions.opened(prompt)).toEqual([]);
    expect(questions.snapshot([prompt])).toEqual([]);
  });

  test("puts an open question whose place has passed when asked to", () => {
    const questions = new OpenQuestions();
    questions.snapshot([prompt]);
    expect(questions.hasUnplaced).toBe(true);
    expect(questions.putUnplaced()).toEqual(put);
    expect(questions.hasUnplaced).toBe(false);
  });

  test("closes a question that a later snapshot does not have", () => {
    const questions = new OpenQuestions();
    questions.opened(prompt);
    questions.placed("p1");
    expect(questions.snapshot([])).toEqual([{ kind: "closed", promptId: "p1" }]);
  });

  test("puts a question again that opens again, because its answer got lost", () => {
    const questions = new OpenQuestions();
    questions.opened(prompt);
    questions.placed("p1");
    questions.closed("p1");
    expect(questions.opened(prompt)).toEqual(put);
    expect(questions.again("p1")).toEqual(put);
  });
});
