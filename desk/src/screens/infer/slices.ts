// A tensor as a table: its last two axes are rows and columns, the axes before them are walked slice by slice.

import { elements } from "./tensors";

export interface Slice {
  /** Where the slice lies in the axes before the last two: `[0, 3]`. */
  at: number[];
  rows: unknown[][];
}

/** How many slices there are; one for anything of two axes or fewer. */
export function sliceCount(shape: readonly number[]): number {
  return elements(shape.slice(0, -2));
}

/** The slice with this number, at most `most` rows and columns of it. */
export function slice(shape: readonly number[], data: readonly unknown[], number: number, most = 200): Slice {
  const [height, width] = shape.length > 1 ? [shape.at(-2) ?? 0, shape.at(-1) ?? 0] : [shape[0] ?? 1, 1];
  const from = number * height * width;
  const rows: unknown[][] = [];
  for (let row = 0; row < Math.min(height, most); row += 1) {
    const begin = from + row * width;
    rows.push(data.slice(begin, begin + Math.min(width, most)));
  }
  const at: number[] = [];
  let rest = number;
  for (const length of shape.slice(0, -2).reverse()) {
    at.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return { at, rows };
}

/** Smallest, largest and mean of the numbers; null where there are none. */
export function extent(data: readonly unknown[]): { min: number; max: number; mean: number } | null {
  let [min, max, sum, found] = [Infinity, -Infinity, 0, 0];
  for (const value of data) {
    if (typeof value !== "number" || !Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
    found += 1;
  }
  return found ? { min, max, mean: sum / found } : null;
}
