import { z } from "zod";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { type FieldRefusal, HttpRefusal } from "../../http/http-refusal.ts";
import { cronOfWords } from "./cron-words.ts";

const instantForm = /^\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(z|[+-]\d{2}:?\d{2})?$/i;

/** An instant as ISO 8601 has it; UTC when it names no zone. */
export const instant = z
  .string()
  .transform((text, context) => {
    const hasZone = /(z|[+-]\d{2}:?\d{2})$/i.test(text);
    const time = instantForm.test(text)
      ? Date.parse(`${text.replace(" ", "T")}${hasZone ? "" : "Z"}`)
      : Number.NaN;
    if (Number.isNaN(time)) context.addIssue({ code: "custom", message: "is not a date with a time" });
    return new Date(time);
  })
  .meta({ format: "date-time" });

/** When a task is to be carried out, as the Waldiez runner's clients say it. */
export interface ScheduleFields {
  readonly schedule_type?: "once" | "cron" | null | undefined;
  readonly scheduled_time?: Date | null | undefined;
  readonly cron_expression?: string | null | undefined;
  readonly expires_at?: Date | null | undefined;
}

/** The same, checked. */
export type WantedSchedule =
  | { readonly kind: "once"; readonly at: Date }
  /** Five fields; `endsAt` undefined for no end. */
  | { readonly kind: "cron"; readonly cron: string; readonly endsAt: Date | undefined };

type FieldName = keyof ScheduleFields;

/** What each type needs and may have besides itself. */
const rules: Readonly<
  Record<"once" | "cron", { readonly needs: FieldName; readonly refuses: readonly FieldName[] }>
> = {
  once: { needs: "scheduled_time", refuses: ["cron_expression", "expires_at"] },
  cron: { needs: "cron_expression", refuses: ["scheduled_time"] },
};

/** The schedule that the fields ask for; undefined when they ask for none. Throws HttpRefusal 422 when they do not go together, or the end is not ahead. */
export function wantedSchedule(fields: ScheduleFields, now: Date): WantedSchedule | undefined {
  const { schedule_type: type, scheduled_time: at, cron_expression: words, expires_at: endsAt } = fields;
  const isGiven = (name: FieldName) => fields[name] !== undefined && fields[name] !== null;
  if (type === undefined || type === null) {
    const stray = (["scheduled_time", "cron_expression", "expires_at"] as const).filter(isGiven);
    refuse(stray.map((name) => fault(name, "is only taken with a schedule_type")));
    return undefined;
  }
  const { needs, refuses } = rules[type];
  refuse([
    ...(isGiven(needs) ? [] : [fault(needs, `is required for schedule_type ${type}`, "missing")]),
    ...refuses.filter(isGiven).map((name) => fault(name, `is not taken with schedule_type ${type}`)),
  ]);
  if (type === "once") return { kind: "once", at: at ?? new Date(Number.NaN) };
  // The scheduler would take it, for a schedule may be ended that way.
  refuse(endsAt && endsAt <= now ? [fault("expires_at", "is in the past")] : []);
  const cron = cronOfWords(words ?? "");
  if (cron === undefined) {
    throw refusalOf([fault("cron_expression", "is neither five cron fields nor a phrase that is known")]);
  }
  return { kind: "cron", cron, endsAt: endsAt ?? undefined };
}

/** Which of the client's fields a fault of the scheduler is about. */
const fieldOfPath = new Map<string, FieldName>([
  ["schedule.timing.at", "scheduled_time"],
  ["schedule.timing.cron", "cron_expression"],
  ["schedule.ends_at", "expires_at"],
]);

/** Carries out a call that stores when a task is carried out. What the scheduler finds wrong with the times is thrown as HttpRefusal 422 by the client's own fields. */
export async function asClientFields<Answer>(store: () => Promise<Answer>): Promise<Answer> {
  try {
    return await store();
  } catch (thrown) {
    const faults = fromConnectError(thrown).faults.map(({ path, message }) => {
      const name = fieldOfPath.get(path);
      return name && fault(name, message);
    });
    const own = faults.filter((one) => one !== undefined);
    if (own.length === 0 || own.length < faults.length) throw thrown;
    throw refusalOf(own);
  }
}

function fault(name: FieldName, message: string, type = "value_error"): FieldRefusal {
  return { at: ["body", name], type, message };
}

function refuse(faults: readonly FieldRefusal[]): void {
  if (faults.length > 0) throw refusalOf(faults);
}

function refusalOf(fields: readonly FieldRefusal[]): HttpRefusal {
  const message = fields.map(({ at, message }) => `${at.join(".")}: ${message}`).join("; ");
  return new HttpRefusal(422, message, { reason: "FIELD_INVALID", fields });
}
