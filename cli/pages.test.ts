import { expect, test } from "vitest";
import { eachPage, type PageAsked } from "./pages.ts";

/** A list of 2,500, and what was asked of it. */
function aList() {
  const asked: PageAsked[] = [];
  const ask = async (page: PageAsked) => {
    asked.push(page);
    const from = Number(page.pageToken);
    const to = Math.min(2_500, from + page.pageSize);
    return { count: to - from, nextPageToken: to < 2_500 ? String(to) : "" };
  };
  return { asked, ask };
}

test("As many pages are asked for as the limit needs, and none larger than the server's", async () => {
  const { asked, ask } = aList();
  expect(await eachPage({ limit: 1_200, pageToken: "100" }, ask)).toBe("1300");
  expect(asked).toEqual([
    { pageSize: 1_000, pageToken: "100" },
    { pageSize: 200, pageToken: "1100" },
  ]);
});

test("It ends with the last page, whatever the limit", async () => {
  const { asked, ask } = aList();
  expect(await eachPage({ limit: 100_000 }, ask)).toBe("");
  expect(asked.map(({ pageToken }) => pageToken)).toEqual(["", "1000", "2000"]);
});
