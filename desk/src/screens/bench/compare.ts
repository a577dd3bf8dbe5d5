// Two runs side by side: each metric's ratio with its interval, in words and as a place on an axis.

export interface Interval {
  ratio: number;
  low: number;
  high: number;
}
export type Finding = "same" | "better" | "worse";

/** `12 % less`, `as much`, `2.4 times as much`. */
export function difference(interval: Interval | null | undefined): string {
  if (!interval) return "not known";
  const { ratio } = interval;
  if (ratio >= 2) return `${Number(ratio.toPrecision(2))} times as much`;
  const share = Math.abs(ratio - 1) * 100;
  if (share < 0.05) return "as much";
  return `${share < 10 ? share.toFixed(1) : Math.round(share)} % ${ratio > 1 ? "more" : "less"}`;
}

/** The interval in per cent of change: `−14 % to −9 %`. */
export function range(interval: Interval | null | undefined): string {
  if (!interval) return "–";
  const change = (ratio: number) => {
    const share = (ratio - 1) * 100;
    const text = Math.abs(share) < 10 ? Math.abs(share).toFixed(1) : String(Math.round(Math.abs(share)));
    return `${Number(text) === 0 ? "" : share < 0 ? "−" : "+"}${text} %`;
  };
  return `${change(interval.low)} to ${change(interval.high)}`;
}

export interface Axis {
  /** Where a ratio lies, from 0 to 1. */
  place: (ratio: number) => number;
  ticks: number[];
}

/** One logarithmic axis for all intervals, so that half and twice are equally far from one; 1 is in the middle. */
export function axis(intervals: readonly (Interval | null | undefined)[]): Axis {
  let reach = Math.log(1.1);
  for (const interval of intervals)
    for (const end of interval ? [interval.low, interval.high] : []) if (end > 0 && Number.isFinite(end)) reach = Math.max(reach, Math.abs(Math.log(end)));
  const most = Math.min(reach * 1.1, Math.log(100));
  const place = (ratio: number) => (ratio > 0 ? Math.max(0, Math.min(1, 0.5 + Math.log(ratio) / (2 * most))) : 0);
  const step = [1.05, 1.1, 1.25, 1.5, 2, 4, 10, 50].findLast((step) => Math.log(step) <= most) ?? 1.05;
  return { place, ticks: [1 / step, 1, step] };
}
