import { describe, expect, test } from "vitest";
import type { Setting } from "../../api/types";
import { changes, groups, mistake, readDuration, readSize, shown, typed } from "./form";

const setting = (path: string, kind: string, value: unknown, more: object = {}) =>
  ({ path, section: path.split(".")[0], kind, value, default: null, origin: "default", doc: "About it.", range: null, choices: null, secret: false, effect: "live", ...more }) as Setting;

describe("mistakes that are told at once", () => {
  test.each([
    ["duration", "1m30s", null, null], ["duration", "30", null, "add a unit: 30s"], ["duration", "soon", null, "such as"], ["duration", "5ms", "10ms to 10m", "use 10ms to 10m"],
    ["duration", "10m", "10ms to 10m", null], ["size", "64MiB", "1KiB to 1GiB", null], ["size", "2GiB", "1KiB to 1GiB", "use 1KiB"], ["size", "much", null, "a size"],
    ["whole number", "1.5", null, "whole"], ["whole number", "11", "1 to 10", "use 1 to 10"], ["number", "0.5", "0.0 to 2.0", null], ["number", "x", null, "a number"],
    ["socket address", "localhost", null, "port"], ["switch", "yes", null, "true or false"], ["text", "anything", null, null], ["duration", "", null, null],
  ])("%s %s in %s", (kind, text, range, why) => {
    const found = mistake({ kind, range, choices: null }, text);
    if (why) expect(found).toContain(why);
    else expect(found).toBeNull();
  });

  test("choices", () => {
    const level = { kind: "level", range: null, choices: ["info", "debug"] };
    expect([mistake(level, "debug"), mistake(level, "loud")]).toEqual([null, "one of info, debug"]);
  });
});

test.each([["250ms", 250], ["1h", 3_600_000], ["1m30s", 90_000], ["1.5s", 1500], ["100us", 0.1], ["1", null], ["1m 30s", null]])("duration %s", (text, ms) =>
  expect(readDuration(text)).toBe(ms),
);
test.each([["4096", 4096], ["64KiB", 65_536], ["10MB", 10_000_000], ["1.5GiB", 1_610_612_736], ["5B", 5], ["x", null]])("size %s", (text, bytes) =>
  expect(readSize(text)).toBe(bytes),
);

test("what is typed becomes a value of its kind", () => {
  expect([typed({ kind: "switch" }, "true"), typed({ kind: "whole number" }, " 7 "), typed({ kind: "list" }, "a, b\nc"), typed({ kind: "duration" }, "5s"), typed({ kind: "text" }, " ")]).toEqual([
    true, 7, ["a", "b", "c"], "5s", null,
  ]);
  expect([shown(null), shown(false), shown(["a", "b"]), shown(1.5)]).toEqual(["", "false", "a, b", "1.5"]);
});

describe("the form", () => {
  const all = [setting("retry.max_attempts", "whole number", 4), setting("retry.base_delay", "duration", "100ms"), setting("cache.enabled", "switch", false, { doc: "Whether answers are kept." })];

  test("is grouped and searched by path, words and meaning", () => {
    const found = (search: string) => groups(all, search).map((group) => `${group.section}:${group.settings.length}`);
    expect([found(""), found("max attempts"), found("answers KEPT"), found("duration"), found("nothing")]).toEqual([["retry:2", "cache:1"], ["retry:1"], ["cache:1"], ["retry:1"], []]);
    expect(groups(all, "", (one) => one.kind === "switch").length).toBe(1);
  });

  test("sends what differs, and null for an emptied field", () =>
    expect(changes(all, { "retry.max_attempts": "4", "retry.base_delay": "", "cache.enabled": "true", unknown: "1" })).toEqual([
      { path: "retry.base_delay", value: null },
      { path: "cache.enabled", value: true },
    ]));
});
