import { describe, expect, test } from "vitest";
import type { Attempt, CallSummary } from "../../api/types";
import { EVERYTHING, matches, merge, query } from "./filter";
import { layout, ticks } from "./waterfall";

const attempt = (wait_ms: number, elapsed_ms: number, outcome = "committed", hedge = false) =>
  ({ server: "a", endpoint: "http://a", protocol: "rest", dialect: "openai", op: "chat", wait_ms, elapsed_ms, hedge, outcome, bytes: 0, tokens: 0, sent: "yes" }) as Attempt;

describe("the waterfall", () => {
  const spans = (attempts: Attempt[], total?: number) => layout(attempts, total).bars.map((bar) => [bar.waited, bar.from, bar.to]);

  test("one after the other, each after its wait", () =>
    expect(spans([attempt(0, 100, "unreachable"), attempt(50, 200)])).toEqual([[0, 0, 100], [100, 150, 350]]));
  test("two that raced end together", () => {
    expect(spans([attempt(0, 300, "cancelled"), attempt(0, 100, "committed", true)])).toEqual([[0, 0, 300], [200, 200, 300]]);
    expect(spans([attempt(0, 50, "reset"), attempt(10, 300), attempt(0, 100, "cancelled", true)])).toEqual([[0, 0, 50], [50, 60, 360], [260, 260, 360]]);
  });
  test("the answer lasts from the commitment to the end", () => {
    expect(layout([attempt(0, 100)], 400).answer).toEqual({ from: 100, to: 400 });
    expect([layout([attempt(0, 100, "reset")], 400).answer, layout([], null).total]).toEqual([null, 0]);
  });
  test.each([[0, [0]], [100, [0, 20, 40, 60, 80, 100]], [350, [0, 100, 200, 300]], [1.2, [0, 0.5, 1]]])("ticks to %s", (total, at) =>
    expect(ticks(total)).toEqual(at),
  );
});

describe("the filters", () => {
  const call = (id: string, more: object = {}) => ({ id, at: Number(id), op: "chat", model: "qwen", server: "gpu", from: "desk", outcome: "ok", attempts: 1, ...more }) as CallSummary;

  test.each([
    [{}, true], [{ q: "QWEN chat" }, true], [{ q: "llama" }, false], [{ server: "gpu" }, true], [{ server: "cpu" }, false], [{ outcome: "error" }, false], [{ outcome: "ok", q: "gpu" }, true],
  ])("%j", (filter, fits) => expect(matches(call("1"), { ...EVERYTHING, ...filter })).toBe(fits));

  test("as a query", () => {
    expect(query(EVERYTHING)).toBe("calls?limit=200");
    expect(query({ q: " a b ", server: "gpu", outcome: "error" }, "7", 50)).toBe("calls?limit=50&q=a+b&server=gpu&outcome=error&before=7");
  });

  test("what arrives takes its place, and an ended call does not run again", () => {
    const merged = merge([call("2", { outcome: "running" }), call("1")], [call("3"), call("2", { outcome: "error" }), call("1", { outcome: "running" })], EVERYTHING);
    expect(merged.map((one) => `${one.id} ${one.outcome}`)).toEqual(["3 ok", "2 error", "1 ok"]);
    expect(merge([], [call("4", { server: "cpu" })], { ...EVERYTHING, server: "gpu" })).toEqual([]);
  });
});
