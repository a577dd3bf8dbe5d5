// A number with three figures that matter, for values of any size.

import { UNKNOWN, count } from "../../lib/format";

/** `0.123`, `4.5`, `128`, `12 340`. */
export function figures(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return UNKNOWN;
  return Math.abs(value) >= 999.5 ? count(value) : String(Number(value.toPrecision(3)));
}

/** A rate a second with its unit: `12.3 tokens/s`. */
export function perSecond(value: number | null | undefined, unit = ""): string {
  return value == null || !Number.isFinite(value) ? UNKNOWN : `${figures(value)}${unit ? ` ${unit}` : ""}/s`;
}
