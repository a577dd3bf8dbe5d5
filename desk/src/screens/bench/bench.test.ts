import { describe, expect, test } from "vitest";
import { doubtful, rows } from "./certificate";
import { axis, difference, range } from "./compare";
import { BEGINNING, BY_URL, request } from "./setup";

describe("the set-up", () => {
  test("becomes a request with what was asked alone", () => {
    expect(request(BEGINNING)).toEqual({ body: { op: "chat", stream: true, repeats: 1, tokens: 64, concurrency: [1, 4], duration_s: 10 } });
    expect(request({ ...BEGINNING, target: "gpu", model: " m ", op: "embed", schedule: "rate", rate: "2.5", stop: "requests", slo: "ttft < 200ms" })).toEqual({
      body: { server: "gpu", model: "m", op: "embed", stream: true, repeats: 1, rate: 2.5, requests: 50, slo: "ttft=200ms" },
    });
    expect(request({ ...BEGINNING, certificate: false })).toHaveProperty("body.certificate", false);
    expect(request({ ...BEGINNING, target: BY_URL, url: "gpu:8000", concurrency: "8 2,8" })).toHaveProperty("body.concurrency", [2, 8]);
  });

  test.each([
    [{ tokens: "0" }, "tokens"], [{ concurrency: "" }, "concurrency"], [{ concurrency: "1, x" }, "concurrency"], [{ schedule: "rate", rate: "-1" }, "rate"], [{ duration_s: "" }, "duration_s"],
    [{ stop: "requests", requests: "1.5" }, "requests"], [{ repeats: "99" }, "repeats"], [{ target: BY_URL, url: "" }, "url"], [{ slo: "tpot=1s" }, "slo"], [{ slo: "ttft=5" }, "slo"],
  ] as const)("%j is refused", (change, field) => {
    const result = request({ ...BEGINNING, ...change });
    expect("mistakes" in result && Object.keys(result.mistakes)).toEqual([field]);
  });
});

describe("a certificate", () => {
  const deviation = { metric: "itl", count: 9, true_mean: 20, mean: 20.1, true_p99: 21, p99: 21.4 };
  const run = (mean: number) => ({
    levels: [{ load: "C=1", metrics: { itl: { count: 9, mean } } }] as never,
    certificate: { levels: [{ load: "C=1", simulator_lag: 0, deviations: [deviation] }, { load: "C=2", simulator_lag: 0, deviations: [deviation] }], problems: [] },
  });
  test("what is added is told as a share of what the run measured", () => {
    const [first, second] = rows(run(5));
    expect([first?.bias, first?.lag, first?.share].map((value) => value?.toFixed(3))).toEqual(["0.100", "0.400", "0.020"]);
    expect([second?.share, first && doubtful(first), second && doubtful(second)]).toEqual([null, true, false]);
    expect(rows(run(20)).some(doubtful)).toBe(false);
    expect(rows({ levels: [] })).toEqual([]);
  });
});

describe("a comparison", () => {
  const interval = (ratio: number, low = ratio, high = ratio) => ({ ratio, low, high });
  test.each([[null, "not known"], [1, "as much"], [0.88, "12 % less"], [1.034, "3.4 % more"], [2.44, "2.4 times as much"]])("%s is %s", (ratio, words) =>
    expect(difference(ratio == null ? null : interval(ratio))).toBe(words),
  );
  test.each([[interval(0.9, 0.86, 1.01), "−14 % to +1.0 %"], [interval(1), "0.0 % to 0.0 %"], [null, "–"]])("range %j", (of, words) => expect(range(of)).toBe(words));

  test("its axis has one in the middle, and half as far as twice", () => {
    const { place, ticks } = axis([interval(1, 0.5, 1.2), null]);
    expect(place(1)).toBe(0.5);
    expect(place(0.5) + place(2)).toBeCloseTo(1);
    expect([place(0), place(1e9)]).toEqual([0, 1]);
    expect(ticks).toEqual([0.5, 1, 2]);
    expect(axis([]).ticks).toContain(1);
  });
});
