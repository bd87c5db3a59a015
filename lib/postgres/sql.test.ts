import { describe, expect, test } from "vitest";
import { sql } from "./sql.ts";

describe("sql", () => {
  test("puts every value apart from the text", () => {
    const { text, values } = sql`select ${1}, ${"'; drop table x; --"}`;
    expect(text).toBe("select $1, $2");
    expect(values).toEqual([1, "'; drop table x; --"]);
  });

  test("puts a statement in the place where it stands and numbers its values on", () => {
    const condition = sql`owner = ${"ann"} and state = any(${["a", "b"]})`;
    const { text, values } = sql`select ${0} from task where ${condition} limit ${10}`;
    expect(text).toBe("select $1 from task where owner = $2 and state = any($3) limit $4");
    expect(values).toEqual([0, "ann", ["a", "b"], 10]);
  });

  test("puts in a statement without values", () => {
    expect(sql`select 1 ${sql``} where ${sql`true`}`.text).toBe("select 1  where true");
  });
});
