import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, percent, plural, rate } from "./format";
import { matching } from "./commands.svelte";
import { hrefOf, parseRoute } from "./router.svelte";
import { nextSort, sorted } from "../ui/table";

describe("numbers as people read them", () => {
  it.each([
    [duration(null), "–"],
    [duration(0.234), "0.23 ms"],
    [duration(4.56), "4.6 ms"],
    [duration(123.4), "123 ms"],
    [duration(999.7), "1.00 s"],
    [duration(12_345), "12.3 s"],
    [duration(83_000), "1 min 23 s"],
    [duration(3_720_000), "1 h 2 min"],
    [bytes(undefined), "–"],
    [bytes(0), "0 B"],
    [bytes(1536), "1.5 KiB"],
    [bytes(4_400_000_000), "4.1 GiB"],
    [count(1234567), "1\u202f234\u202f567"],
    [rate(45.23), "45.2 tokens/s"],
    [rate(1234.5, "req/s"), "1235 req/s"],
    [rate(NaN), "–"],
    [percent(0.031), "3.1 %"],
    [percent(1), "100 %"],
    [plural(1, "server"), "1 server"],
    [plural(3, "reply", "replies"), "3 replies"],
  ])("%s", (made, expected) => expect(made).toBe(expected));

  it("tells how long ago", () => {
    const now = new Date(2026, 5, 15, 12, 0, 0).getTime();
    expect(ago(now - 5_000, now)).toBe("now");
    expect(ago(now - 300_000, now)).toBe("5 min ago");
    expect(ago(now - 2 * 3_600_000, now)).toBe("10:00");
    expect(ago(now - 20 * 3_600_000, now)).toBe("yesterday");
    expect(ago(new Date(2026, 4, 3).getTime(), now)).toBe("3 May");
    expect(ago(new Date(2025, 4, 3).getTime(), now)).toBe("3 May 2025");
  });
});

describe("routes", () => {
  it.each([
    ["", { screen: "chat", rest: [], query: {} }],
    ["#/chat/abc", { screen: "chat", rest: ["abc"], query: {} }],
    ["#/servers/a%2Fb?x=1", { screen: "servers", rest: ["a/b"], query: { x: "1" } }],
    ["#/nowhere", { screen: "chat", rest: [], query: {} }],
  ])("%s", (hash, expected) => expect(parseRoute(hash)).toEqual(expected));

  it("there and back", () => {
    expect(parseRoute(hrefOf("models", ["a b/c"], { q: "ü&" }))).toEqual({ screen: "models", rest: ["a b/c"], query: { q: "ü&" } });
  });
});

describe("the palette", () => {
  const all = ["Chat", "Servers", "New conversation"].map((label) => ({ id: label, label, words: label === "Servers" ? "breaker" : "", run: () => {} }));
  const found = (query: string) => matching(all, query).map(({ label }) => label);
  it.each([
    ["", ["Chat", "Servers", "New conversation"]],
    ["conv", ["New conversation"]],
    ["break", ["Servers"]],
    ["new chat", []],
    ["s", ["Servers", "New conversation"]],
  ])("%s", (query, expected) => expect(found(query)).toEqual(expected));
});

describe("tables", () => {
  const columns = [{ id: "n", label: "n", by: (row: { n: number | null }) => row.n }];
  const rows = [{ n: 2 }, { n: null }, { n: 10 }, { n: 1 }];
  it("sort numbers as numbers, and what is not known last", () => {
    expect(sorted(rows, columns, { id: "n", down: false }).map(({ n }) => n)).toEqual([1, 2, 10, null]);
    expect(sorted(rows, columns, { id: "n", down: true }).map(({ n }) => n)).toEqual([10, 2, 1, null]);
    expect(sorted(rows, columns, null)).toBe(rows);
  });
  it("turn up, down, off", () => {
    const up = nextSort(null, "n");
    const down = nextSort(up, "n");
    expect([up, down, nextSort(down, "n")]).toEqual([{ id: "n", down: false }, { id: "n", down: true }, null]);
  });
});
