import { ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { toConnectError } from "../../../../lib/rpc/to-connect-error.ts";
import { asClientFields, instant, wantedSchedule } from "./schedule-fields.ts";

const at = new Date("2031-02-03T04:05:06Z");
const now = new Date("2031-01-01T00:00:00Z");

describe("instant", () => {
  test.each([
    ["2031-02-03T04:05:06Z", "2031-02-03T04:05:06.000Z"],
    ["2031-02-03T04:05:06.789+02:00", "2031-02-03T02:05:06.789Z"],
    ["2031-02-03T04:05:06", "2031-02-03T04:05:06.000Z"],
    ["2031-02-03 04:05", "2031-02-03T04:05:00.000Z"],
  ])("reads %s", (text, iso) => {
    expect(instant.parse(text).toISOString()).toBe(iso);
  });

  test.each(["", "tomorrow", "2031-02-03", "2031-13-03T04:05:06Z", "1930000000", 5])(
    "does not read %j",
    (value) => {
      expect(instant.safeParse(value).success).toBe(false);
    },
  );
});

describe("wantedSchedule", () => {
  test("is none without a type, and what the fields say with one", () => {
    expect(wantedSchedule({ schedule_type: null, scheduled_time: null }, now)).toBeUndefined();
    expect(wantedSchedule({ schedule_type: "once", scheduled_time: at }, now)).toEqual({ kind: "once", at });
    expect(
      wantedSchedule({ schedule_type: "cron", cron_expression: "every 5 minutes", expires_at: at }, now),
    ).toEqual({ kind: "cron", cron: "*/5 * * * *", endsAt: at });
  });

  test.each([
    [{ schedule_type: "once" }, ["scheduled_time"]],
    [{ schedule_type: "once", scheduled_time: at, expires_at: at }, ["expires_at"]],
    [{ schedule_type: "once", cron_expression: "every day" }, ["scheduled_time", "cron_expression"]],
    [{ schedule_type: "cron" }, ["cron_expression"]],
    [{ schedule_type: "cron", cron_expression: "every day", scheduled_time: at }, ["scheduled_time"]],
    [{ schedule_type: "cron", cron_expression: "now and then" }, ["cron_expression"]],
    [{ schedule_type: "cron", cron_expression: "every day", expires_at: now }, ["expires_at"]],
    [{ scheduled_time: at, expires_at: at }, ["scheduled_time", "expires_at"]],
  ] as const)("refuses %j with every field at fault", (fields, names) => {
    expect(() => wantedSchedule(fields, now)).toThrow(
      expect.objectContaining({
        status: 422,
        fields: names.map((name) => expect.objectContaining({ at: ["body", name] })),
      }),
    );
  });
});

describe("asClientFields", () => {
  const refusing = async (...paths: string[]) =>
    await asClientFields(async () => {
      const faults = paths.map((path) => ({ path, reason: "FIELD_INVALID" as const, message: "is wrong" }));
      throw toConnectError(DomainError.ofFaults(faults));
    });

  test.each([
    ["schedule.timing.at", "scheduled_time"],
    ["schedule.timing.cron", "cron_expression"],
    ["schedule.ends_at", "expires_at"],
  ])("names what the scheduler says of %s after %s", async (path, name) => {
    await expect(refusing(path)).rejects.toMatchObject({
      status: 422,
      fields: [{ at: ["body", name], message: "is wrong" }],
    });
  });

  test("leaves what is about other fields as it is", async () => {
    await expect(refusing("schedule.name")).rejects.toBeInstanceOf(ConnectError);
    await expect(refusing("schedule.ends_at", "schedule.name")).rejects.toBeInstanceOf(ConnectError);
  });

  test("answers what was stored", async () => {
    expect(await asClientFields(async () => "stored")).toBe("stored");
  });
});
