import { describe, expect, test } from "vitest";
import type { Sample } from "../../api/types";
import { hitShare, join, lines, quantile, servers, silence, wasCalled } from "./series";

const sample = (second: number, values: Record<string, number | null>, cache?: [number, number, number]) =>
  ({
    at: second * 1000,
    servers: Object.fromEntries(Object.entries(values).map(([name, queue]) => [name, { requests: 0, errors: 0, in_flight: 0, queue }])),
    cache: cache ? { hits: cache[0], misses: cache[1], joined: cache[2] } : null,
    running: 0,
  }) as unknown as Sample;

describe("lines", () => {
  test("a gap where nothing was told, and a server that told nothing is named", () => {
    const got = lines([sample(1, { a: 1, b: null }), sample(2, { a: null, b: null }), sample(3, { a: 0 })], ["a", "b"], (one) => one.queue);
    expect(got).toEqual({ at: [1, 2, 3], lines: [{ name: "a", values: [1, null, 0] }], silent: ["b"] });
  });

  test("many samples become means of stretches that do not move", () => {
    const many = Array.from({ length: 100 }, (_, second) => sample(second, { a: second }));
    const first = lines(many, ["a"], (one) => one.queue, 10);
    expect([first.at.length, first.lines[0]?.values[0], first.lines[0]?.values[9]]).toEqual([10, 4.5, 94.5]);
    const later = lines([...many.slice(1), sample(100, { a: 100 })], ["a"], (one) => one.queue, 10);
    expect(later.lines[0]?.values.slice(1, 9)).toEqual(first.lines[0]?.values.slice(1, 9));
  });
});

test("lists of samples are joined without doubles, the old ones dropped", () => {
  const at = (list: Sample[]) => list.map((one) => one.at / 1000);
  const list = [1, 2, 3, 4].map((second) => sample(second, {}));
  expect(at(join(list, [sample(4, {}), sample(5, {})], 2000))).toEqual([2, 3, 4, 5]);
  expect(at(join([], list, 0))).toEqual([1, 2, 3, 4]);
  expect(at(join(list, [], 9000))).toEqual([]);
  expect(servers([sample(1, { b: 1 }), sample(2, { a: 1, b: 1 })])).toEqual(["a", "b"]);
});

test("a server without a line had no calls, or does not tell", () => {
  const busy = { ...sample(1, {}), servers: { a: { requests: 2, errors: 1 }, b: { requests: 3, errors: 3, in_flight: 0 } } } as unknown as Sample;
  const called = (name: string) => wasCalled([sample(0, {}), busy], name);
  expect([silence(["a", "b"], called), silence(["b"], called), silence([], called)]).toEqual(["Not exposed by a; no answers from b", "No answers from b", ""]);
});

test("the cache's share is of what it was asked for", () => {
  const shares = hitShare([sample(1, {}, [0, 0, 0]), sample(2, {}, [1, 2, 1]), sample(3, {})]);
  expect(shares).toEqual([null, 0.5, null]);
});

test.each([[[1, 2, 3, null], 0.5, 2], [[1, 2], 0.5, 1.5], [[], 0.5, null], [[null], 0.9, null], [[7], 0.95, 7]])("quantile of %j at %s", (values, q, found) =>
  expect(quantile(values, q)).toBe(found),
);
