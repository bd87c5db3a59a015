import { z } from "zod";
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

/** The schedule that the fields ask for; undefined when they ask for none. Throws HttpRefusal 422 when they do not go together. */
export function wantedSchedule(fields: ScheduleFields): WantedSchedule | undefined {
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
  const cron = cronOfWords(words ?? "");
  if (cron === undefined) {
    throw refusalOf([fault("cron_expression", "is neither five cron fields nor a phrase that is known")]);
  }
  return { kind: "cron", cron, endsAt: endsAt ?? undefined };
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
