/*
 * How columns come back, by the type's number in pg_type:
 *
 *   smallint, integer, oid, real, double precision   number
 *   bigint                                           number; beyond 2^53 the statement rejects with a RangeError
 *   boolean                                          boolean
 *   text, varchar, uuid, numeric, date, timestamp    string, as Postgres writes it
 *   timestamptz                                      Date: microseconds are cut off
 *   bytea                                            Buffer
 *   json, jsonb                                      the parsed value
 *   arrays of these                                  array, nulls inside as null
 */

type Parse = (text: string) => unknown;

const asText: Parse = (text) => text;
const asBoolean: Parse = (text) => text === "t";
const asJson: Parse = (text) => JSON.parse(text);
const asDate: Parse = (text) => new Date(text);
const asBytes: Parse = (text) => Buffer.from(text.slice(2), "hex");

function asSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`the bigint ${text} is beyond what a number holds exactly`);
  return value;
}

/** Each type with the number of its array type. */
const types: readonly (readonly [type: number, array: number, parse: Parse])[] = [
  [16, 1000, asBoolean],
  [17, 1001, asBytes],
  [20, 1016, asSafeInteger],
  [21, 1005, Number],
  [23, 1007, Number],
  [25, 1009, asText],
  [26, 1028, Number],
  [114, 199, asJson],
  [700, 1021, Number],
  [701, 1022, Number],
  [1043, 1015, asText],
  [1082, 1182, asText],
  [1114, 1115, asText],
  [1184, 1185, asDate],
  [1700, 1231, asText],
  [2950, 2951, asText],
  [3802, 3807, asJson],
];

/** For each type's number, what turns the text of a column into its value. */
export const columnParsers: ReadonlyMap<number, Parse> = new Map(
  types.flatMap(([type, array, parse]): [number, Parse][] => [
    [type, parse],
    [array, (text) => parseArray(text, parse)],
  ]),
);

/** Reads the text form of a one-dimensional array. */
function parseArray(text: string, parse: Parse): unknown[] {
  const values: unknown[] = [];
  let at = 1;
  while (at < text.length - 1) {
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1);
      values.push(parse(text.slice(at + 1, end).replaceAll(/\\(.)/gs, "$1")));
      at = end + 2;
      continue;
    }
    const comma = text.indexOf(",", at);
    const end = comma === -1 ? text.length - 1 : comma;
    const element = text.slice(at, end);
    values.push(element === "NULL" ? null : parse(element));
    at = end + 1;
  }
  return values;
}

function closingQuote(text: string, from: number): number {
  let at = from;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
