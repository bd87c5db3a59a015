import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Dice } from "./dice.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Ids that there may be, so that not every call ends at its first look-up. */
export type KnownIds = readonly string[];

const texts = [
  "",
  " ",
  "\0",
  "a\0b",
  "\u202e\ufeff",
  "../../etc/passwd",
  "{{ A.x }}",
  "'; drop table scheduler.run; --",
  "%",
  "\\",
  "main",
  "0",
  "-1",
  "1e999",
  "é".repeat(300),
  "x".repeat(70_000),
  "00000000-0000-4000-8000-000000000000",
  "00000000-0000-4000-8000-000000000000.main",
  "2-17",
  "created_at desc",
  "labels.a desc",
  "*/5 * * * *",
  "Europe/Berlin",
];

const numbers = [0, 1, -1, 2, 50, 1_000, 2 ** 31 - 1, -(2 ** 31), 2 ** 53, -0.5, 1e308, Number.MIN_VALUE];

const instants = [
  "2026-01-01T00:00:00Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999999999Z",
  "soon",
  "",
];

const durations = ["0s", "1s", "-1s", "315576000000s", "0.000000001s", "1e5s", "NaN", "s"];

/** Values that are of no type that a field may have. */
const misfits: readonly Json[] = [null, true, [], {}, [[]], "\ud800", Number.MAX_VALUE, "NaN", { "": null }];

/** JSON for a message: mostly of its form, with values that a caller should not send; now and then of another form altogether. */
export function hostileJson(message: DescMessage, dice: Dice, ids: KnownIds, depth = 0): Json {
  if (depth > 0 && dice.next() < 0.03) return dice.pick(misfits);
  if (message.typeName === "google.protobuf.Timestamp") return dice.pick(instants);
  if (message.typeName === "google.protobuf.Duration") return dice.pick(durations);
  if (message.typeName === "google.protobuf.FieldMask")
    return dice.pick(["", "name", "name,paused", "a.b.c", "\0"]);
  if (depth > 5) return {};
  const fields = message.fields.flatMap((field): [string, Json][] => {
    if (dice.next() < 0.35) return [];
    return [[field.jsonName, fieldValue(field, dice, ids, depth)]];
  });
  if (dice.next() < 0.02) fields.push(["unknownField", 1]);
  return Object.fromEntries(fields);
}

function fieldValue(field: DescField, dice: Dice, ids: KnownIds, depth: number): Json {
  if (dice.next() < 0.03) return dice.pick(misfits);
  switch (field.fieldKind) {
    case "list":
      return some(dice, () => single(field, dice, ids, depth));
    case "map":
      return Object.fromEntries(
        some(dice, () => [dice.pick(texts).slice(0, 100), single(field, dice, ids, depth)]),
      );
    default:
      return single(field, dice, ids, depth);
  }
}

function single(field: DescField, dice: Dice, ids: KnownIds, depth: number): Json {
  if (field.message !== undefined) return hostileJson(field.message, dice, ids, depth + 1);
  if (field.enum !== undefined) {
    return dice.next() < 0.2 ? dice.pick([99, -1, "NO_SUCH_VALUE"]) : dice.pick(field.enum.values).name;
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      return ids.length > 0 && dice.next() < 0.5 ? dice.pick(ids) : dice.pick(texts);
    case ScalarType.BYTES:
      return Buffer.from(
        dice.pick(["", "{}", "null", '{"a":1}', "[", "print(1)", "\xff\xfe", "{".repeat(5_000)]),
      ).toString("base64");
    case ScalarType.BOOL:
      return dice.next() < 0.5;
    default:
      return dice.pick(numbers);
  }
}

function some<Item>(dice: Dice, make: () => Item): Item[] {
  return Array.from({ length: dice.pick([0, 1, 1, 2, 5]) }, make);
}

/** Bytes that are no message, or hardly one. */
export function hostileBytes(dice: Dice): Uint8Array<ArrayBuffer> {
  const length = dice.pick([0, 1, 2, 5, 17, 64, 1_000]);
  const bytes = Uint8Array.from({ length }, () => dice.between(0, 256));
  // A length-delimited first field makes more of them go on beyond the first byte.
  if (dice.next() < 0.5 && length > 2) bytes.set([0x0a, dice.between(0, length)]);
  return bytes;
}
