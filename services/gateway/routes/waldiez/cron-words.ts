const days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const months = [
  "january",
  "february",
  "march",
  "april",
  "may",
  "june",
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
];

/** What "every …" stands for, alone and with a number; `most` is the largest number that the field takes. */
const units: Readonly<
  Record<string, { readonly once: string; readonly many: (count: number) => string; readonly most: number }>
> = {
  minute: { once: "* * * * *", many: (count) => `*/${count} * * * *`, most: 59 },
  hour: { once: "0 * * * *", many: (count) => `0 */${count} * * *`, most: 23 },
  day: { once: "0 0 * * *", many: (count) => `0 0 */${count} * *`, most: 31 },
  // No field counts weeks.
  week: { once: "0 0 * * 0", many: () => "0 0 * * 0", most: 1 },
  month: { once: "0 0 1 * *", many: (count) => `0 0 1 */${count} *`, most: 12 },
};

/**
 * The five fields that a cron expression or one of the Waldiez runner's phrases
 * stands for ("every 5 minutes", "every monday", "every 15 of january"), or
 * undefined when it is neither. What stands in the fields is not checked.
 */
export function cronOfWords(text: string): string | undefined {
  const words = text.trim().toLowerCase().split(/\s+/);
  if (words[0] === "every") return cronOfPhrase(words.slice(1));
  return words.length === 5 ? text.trim().replaceAll(/\s+/g, " ") : undefined;
}

function cronOfPhrase(words: readonly string[]): string | undefined {
  const [first = "", second = "", third = ""] = words;
  if (words.length === 3 && second === "of") {
    const day = countIn(first, 31);
    const month = months.indexOf(third);
    return day === undefined || month < 0 ? undefined : `0 0 ${day} ${month + 1} *`;
  }
  if (words.length === 1 && days.includes(first)) return `0 0 * * ${days.indexOf(first)}`;
  if (words.length === 1) return unitNamed(first)?.once;
  if (words.length !== 2) return undefined;
  const unit = unitNamed(second);
  const count = unit && countIn(first, unit.most);
  return count === undefined ? undefined : count === 1 ? unit?.once : unit?.many(count);
}

function unitNamed(word: string): (typeof units)[string] | undefined {
  const name = word.replace(/s$/, "");
  return Object.hasOwn(units, name) ? units[name] : undefined;
}

function countIn(word: string, most: number): number | undefined {
  const count = /^\d{1,2}$/.test(word) ? Number(word) : 0;
  return count >= 1 && count <= most ? count : undefined;
}
