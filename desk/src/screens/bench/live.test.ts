import { expect, test } from "vitest";
import { NOTHING, watch } from "./live";

test("a run's events become lines, each second once", () => {
  const events: [string, unknown][] = [
    ["progress", { elapsed_s: 0.5, sent: 1 }],
    ["stage", { load: "C=1", number: 1, of: 2 }],
    ["progress", { elapsed_s: 1, sent: 9, requests_per_second: 8, ttft_ms: null }],
    ["progress", { elapsed_s: 1, sent: 10, requests_per_second: 9 }],
    ["other", {}],
    ["progress", { elapsed_s: 2, sent: 20, requests_per_second: 10, ttft_ms: 31 }],
  ];
  const seen = events.reduce((state, [event, data]) => watch(state, event, data, 0, 0), NOTHING);
  expect(seen).toMatchObject({ stage: { load: "C=1", of: 2 }, phase: "running", seconds: [0.5, 1, 2], requests: [null, 8, 10], ttft: [null, null, 31] });
  expect(seen.last?.sent).toBe(20);
  expect(watch(NOTHING, "progress", {}, 3000, 1000).seconds).toEqual([2]);
});
