import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "../../../lib/postgres/database.ts";
import { isDataError } from "../../../lib/postgres/errors.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import type { FreshDatabase } from "../../support/start-postgres.ts";

let fresh: FreshDatabase;
let db: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  db = new Database(fresh.url);
});

afterAll(async () => {
  await db.close();
  await fresh[Symbol.asyncDispose]();
});

const awkwardTexts = [
  "",
  " ",
  "NULL",
  "null",
  "{}",
  "{a,b}",
  'say "hi"',
  "it's",
  "a,b;c",
  "back\\slash \\x00 \\\\",
  "line\nbreak\ttab\r",
  "héllo wörld 你好 🎼",
  "$1 ${x} %s",
  "\u0001\u001f\u007f",
];

const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);

describe("a batch through unnest", () => {
  test("comes back as it went, nulls and every byte value included", async () => {
    const ids = awkwardTexts.map((_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`);
    const bytes = awkwardTexts.map((_, index) =>
      index % 5 === 0 ? null : everyByte.subarray(index, 256 - index),
    );
    const numbers = awkwardTexts.map((_, index) => (index % 3 === 0 ? undefined : index - 5));
    const times = awkwardTexts.map((_, index) =>
      index % 4 === 0 ? null : new Date(Date.UTC(2026, 0, 1, 0, 0, 0, index)),
    );
    const flags = awkwardTexts.map((_, index) => [true, false, null][index % 3]);
    const epochs = awkwardTexts.map((_, index) => 2 ** 53 - 1 - index);
    const rows = await db.query(sql`
      select *
      from unnest(
        ${ids}::uuid[], ${bytes}::bytea[], ${awkwardTexts}::text[], ${numbers}::int[], ${times}::timestamptz[],
        ${flags}::boolean[], ${epochs}::bigint[]
      ) as batch (id, bytes, text, number, at, flag, epoch)
    `);
    expect(rows).toEqual(
      ids.map((id, index) => ({
        id,
        bytes: asBuffer(bytes[index]),
        text: awkwardTexts[index],
        number: numbers[index] ?? null,
        at: times[index],
        flag: flags[index],
        epoch: epochs[index],
      })),
    );
  });

  test("comes back as arrays too", async () => {
    const texts = [...awkwardTexts, null];
    const bytes = [everyByte, null, new Uint8Array()];
    const [row] = await db.query(sql`
      select ${texts}::text[] as texts, ${bytes}::bytea[] as bytes, ${[1, null, 3]}::int[] as numbers,
        ${[]}::uuid[] as none, ${[new Date(0), null]}::timestamptz[] as times, ${[false, true]}::boolean[] as flags
    `);
    expect(row).toEqual({
      texts,
      bytes: bytes.map(asBuffer),
      numbers: [1, null, 3],
      none: [],
      times: [new Date(0), null],
      flags: [false, true],
    });
  });

  test("may have thousands of elements", async () => {
    const payloads = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`payload ${index} "\\,{}`));
    const rows = await db.query<{ payload: Buffer }>(
      sql`select * from unnest(${payloads}::bytea[]) as batch (payload)`,
    );
    expect(Buffer.concat(rows.map(({ payload }) => payload)).equals(Buffer.concat(payloads))).toBe(true);
  });
});

describe("a single value", () => {
  test("comes back in the type that its column has", async () => {
    const [row] = await db.query(sql`
      select ${everyByte}::bytea as bytes, ${'{"a": [1, null]}'}::jsonb as json, ${9007199254740991n}::bigint as epoch,
        ${1.5}::float8 as ratio, ${"12.30"}::numeric as amount, ${new Date("2026-02-03T04:05:06.789Z")}::timestamptz as at,
        ${"2026-02-03"}::date as day, ${undefined}::text as nothing, ${true}::boolean as flag
    `);
    expect(row).toEqual({
      bytes: Buffer.from(everyByte),
      json: { a: [1, null] },
      epoch: 9_007_199_254_740_991,
      ratio: 1.5,
      amount: "12.30",
      at: new Date("2026-02-03T04:05:06.789Z"),
      day: "2026-02-03",
      nothing: null,
      flag: true,
    });
  });

  test("is refused rather than rounded when it is a bigint that no number holds", async () => {
    await expect(db.query(sql`select 9007199254740993 as too_big`)).rejects.toThrow(RangeError);
    await expect(db.query(sql`select 1 as next`)).resolves.toEqual([{ next: 1 }]);
  });

  test.each([
    ["a zero character", "a\u0000b", undefined],
    ["an invalid date", undefined, new Date(Number.NaN)],
  ])("is a data error when it is %s", async (_, text, at) => {
    const error: unknown = await db
      .query(sql`select ${text}::text, ${at}::timestamptz`)
      .catch((thrown: unknown) => thrown);
    expect(isDataError(error)).toBe(true);
  });
});

function asBuffer(bytes: Uint8Array | null | undefined): Buffer | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes);
}
