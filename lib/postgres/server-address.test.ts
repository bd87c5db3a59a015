import { describe, expect, test } from "vitest";
import { serverAddress } from "./server-address.ts";

describe("serverAddress", () => {
  test("reads user, password, host, port and database", () => {
    expect(serverAddress("postgres://ann:p%40ss%3Aword@db.example:6543/main")).toMatchObject({
      endpoints: [{ host: "db.example", port: 6543 }],
      user: "ann",
      password: "p@ss:word",
      database: "main",
      tls: false,
    });
  });

  test("finds a unix socket by the folder in the query or in the place of the host", () => {
    const endpoints = [{ path: "/run/pg sockets/.s.PGSQL.5433" }];
    expect(serverAddress("postgres://ann@/main?host=/run/pg%20sockets&port=5433")).toMatchObject({
      endpoints,
      database: "main",
    });
    expect(serverAddress("postgresql://ann@%2Frun%2Fpg%20sockets:5433/main")).toMatchObject({ endpoints });
  });

  test("keeps several hosts in their order, each with its port", () => {
    expect(serverAddress("postgres://a@one:1,[::1]:2,three/x").endpoints).toEqual([
      { host: "one", port: 1 },
      { host: "::1", port: 2 },
      { host: "three", port: 5432 },
    ]);
  });

  test("takes the user's name for the database that is not given", () => {
    expect(serverAddress("postgres://ann@host").database).toBe("ann");
  });

  test("maps sslmode, where only the verifying modes check who answers", () => {
    expect(serverAddress("postgres://h/d?sslmode=require").tls).toBe("require");
    expect(serverAddress("postgres://h/d?sslmode=disable").tls).toBe(false);
    expect(serverAddress("postgres://h/d?sslmode=verify-full").tls).toEqual({});
  });

  test.each([
    ["http://ann:secret@host/db", /of the form/],
    ["postgres://ann:secret@host:0/db", /no port/],
    ["postgres://ann:secret@host/db?sslmod=require", /not known: sslmod/],
    ["postgres://ann:secret@host/db?sslmode=maybe", /sslmode/],
    ["postgres://ann:secret@host/db?target_session_attrs=standby", /written to/],
  ])("refuses %s without repeating the password", (url, message) => {
    expect(() => serverAddress(url)).toThrow(message);
    expect(() => serverAddress(url)).not.toThrow(/secret/);
  });
});
