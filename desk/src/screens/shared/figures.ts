// A number with three figures that matter, for values of any size.

import { UNKNOWN, count } from "../../lib/format";

/** `0.123`, `4.5`, `128`, `12 340`. */
export function figures(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return UNKNOWN;
  return Math.abs(value) >= 999.5 ? count(value) : String(Number(value.toPrecision(3)));
}

/** Milliseconds at the axis of a plot: `0`, `250 ms`, `1.5 s`. */
export function timeMark(ms: number): string {
  return ms === 0 ? "0" : ms < 1000 ? `${+ms.toPrecision(3)} ms` : `${+(ms / 1000).toPrecision(3)} s`;
}

/** A rate a second with its unit: `12.3 tokens/s`. */
export function perSecond(value: number | null | undefined, unit = ""): string {
  return value == null || !Number.isFinite(value) ? UNKNOWN : `${figures(value)}${unit ? ` ${unit}` : ""}/s`;
}
