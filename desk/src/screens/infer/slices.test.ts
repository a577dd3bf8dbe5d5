import { expect, test } from "vitest";
import { extent, slice, sliceCount } from "./slices";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

test.each([
  [[], 0, { at: [], rows: [[0]] }],
  [[3], 0, { at: [], rows: [[0], [1], [2]] }],
  [[2, 3], 0, { at: [], rows: [[0, 1, 2], [3, 4, 5]] }],
  [[2, 2, 2], 1, { at: [1], rows: [[4, 5], [6, 7]] }],
  [[2, 3, 1, 2], 4, { at: [1, 1], rows: [[8, 9]] }],
])("slice of %j, number %i", (shape, number, expected) =>
  expect(slice(shape, upTo(Math.max(1, shape.reduce((a, b) => a * b, 1))), number)).toEqual(expected),
);

test("slices are counted, cut and summed up", () => {
  expect([sliceCount([]), sliceCount([4, 4]), sliceCount([2, 3, 4, 4])]).toEqual([1, 1, 6]);
  const cut = slice([500, 500], upTo(250_000), 0, 10);
  expect([cut.rows.length, cut.rows[0]?.length, cut.rows[9]?.[0]]).toEqual([10, 10, 4500]);
  expect(extent([1, "NaN", 3])).toEqual({ min: 1, max: 3, mean: 2 });
  expect(extent(["a"])).toBeNull();
});
